//! The document workflow: chunks that are processed all at once, in any order, twice, not at all, or fail.

use anyhow::Result;
use aws_sdk_sfn::types::ExecutionStatus;
use futures_util::future::try_join_all;
use local_stack::functions::{Action, When};
use serde_json::json;

use crate::library::{CHUNK, Library, assert_counted, assert_failed, text};

#[tokio::test]
async fn a_document_is_counted_chunk_by_chunk() -> Result<()> {
    let library = Library::shared().await?;
    let key = library.put(text(10 * 512 + 1).as_bytes()).await?;

    let execution = library.run(&key).await?;

    let lines = 10 * 512 + 1;
    let frequent = assert_counted(&execution, &key, [11, lines, 6 * lines, 32 * lines]);
    assert_eq!(frequent[0], json!({ "word": "the", "count": 2 * lines }));
    let mut processed = library.processed(&execution.arn, 11).await?;
    processed.sort();
    assert_eq!(processed[0], "Complete Delivered");
    assert_eq!(processed[1..], vec!["Incomplete"; 10]);
    Ok(())
}

#[tokio::test]
async fn an_empty_document_and_one_of_one_chunk_are_counted() -> Result<()> {
    let library = Library::shared().await?;
    let empty = library.put(b"").await?;
    let small = library.put("über allen Gipfeln\nist Ruh".as_bytes()).await?;

    let executions = try_join_all([library.run(&empty), library.run(&small)]).await?;

    assert_eq!(assert_counted(&executions[0], &empty, [1, 0, 0, 0]), json!([]));
    let frequent = assert_counted(&executions[1], &small, [1, 1, 5, 27]);
    let words = ["allen", "gipfeln", "ist", "ruh", "über"].map(|word| json!({ "word": word, "count": 1 }));
    assert_eq!(frequent, json!(words));
    Ok(())
}

#[tokio::test]
async fn lines_and_words_longer_than_a_chunk_are_counted_once() -> Result<()> {
    let library = Library::shared().await?;
    let text = format!("{}\n{}\n the end", "word ".repeat(2 * CHUNK), "日本語".repeat(CHUNK));
    let key = library.put(text.as_bytes()).await?;

    let execution = library.run(&key).await?;

    let (bytes, words) = (text.len(), 2 * CHUNK + 1 + 2);
    let frequent = assert_counted(&execution, &key, [bytes.div_ceil(CHUNK), 2, words, bytes]);
    assert_eq!(frequent[0], json!({ "word": "word", "count": 2 * CHUNK }));
    assert_eq!(frequent.as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test]
async fn a_document_that_is_not_there_is_said() -> Result<()> {
    let library = Library::shared().await?;

    let execution = library.run("documents/nobody-wrote-this.txt").await?;

    let cause = "there is no document documents/nobody-wrote-this.txt";
    assert_failed(&execution, "UnexpectedFailure", "DocumentMissing: ");
    assert_failed(&execution, "UnexpectedFailure", cause);
    Ok(())
}

#[tokio::test]
async fn a_chunk_that_is_not_utf_8_fails_the_document_and_its_artifacts_are_gone() -> Result<()> {
    let library = Library::by_hand().await?;
    let mut content = text(4 * 512).into_bytes();
    content[2 * CHUNK + 100] = 0xff;
    let key = library.put(&content).await?;
    let execution = library.start(&key).await?;
    let chunks = library.chunks(&execution, 4).await?;
    for chunk in [0, 1] {
        library.tell(&chunks[chunk]).await?;
    }
    assert_eq!(library.processed(&execution, 2).await?, ["Incomplete"; 2]);

    library.tell(&chunks[2]).await?;
    let ended = library.end(&execution).await?;

    let cause = "chunk 3 of 4 is not UTF-8: its byte 100 is wrong";
    assert_failed(&ended, "ProcessingFailed", cause);
    assert_eq!(library.artifacts("chunks", &execution).await?, [""; 0]);
    assert_eq!(library.artifacts("results", &execution).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_chunk_that_is_not_utf_8_fails_the_document_also_when_all_run_at_once() -> Result<()> {
    let library = Library::shared().await?;
    let mut content = text(4 * 512).into_bytes();
    content[CHUNK + 7] = 0xff;
    let key = library.put(&content).await?;

    let execution = library.run(&key).await?;

    assert_failed(&execution, "ProcessingFailed", "chunk 2 of 4 is not UTF-8: its byte 7 is wrong");
    Ok(())
}

#[tokio::test]
async fn events_that_come_twice_and_in_another_order_change_nothing() -> Result<()> {
    let library = Library::by_hand().await?;
    let key = library.put(text(3 * 512).as_bytes()).await?;
    let execution = library.start(&key).await?;
    let chunks = library.chunks(&execution, 3).await?;

    for chunk in [2, 2, 0, 2, 0] {
        library.tell(&chunks[chunk]).await?;
    }
    let before = library.processed(&execution, 5).await?;
    library.tell(&chunks[1]).await?;
    let ended = library.end(&execution).await?;
    for chunk in [1, 0, 2] {
        library.tell(&chunks[chunk]).await?;
    }
    let after = library.processed(&execution, 9).await?;

    assert_counted(&ended, &key, [3, 1_536, 9_216, 3 * CHUNK]);
    assert_eq!(before, ["Incomplete"; 5]);
    assert_eq!(after[5..], ["Complete Delivered", "AlreadyComplete", "AlreadyComplete", "AlreadyComplete"]);
    Ok(())
}

#[tokio::test]
async fn a_result_that_is_there_before_the_wait_is_delivered_by_the_registration() -> Result<()> {
    let library = Library::in_turn().await?;
    let key = library.put(b"one line\n").await?;
    let busy = Action::Error { error: "ProvisionedThroughputExceededException" };
    library.arm("TaskTokenRegistrarFunctionName", "dynamodb:UpdateItem", When::Before, busy, 6).await?;

    let execution = library.run(&key).await?;

    assert_counted(&execution, &key, [1, 1, 2, 9]);
    assert_eq!(library.processed(&execution.arn, 1).await?, ["Complete Parked"]);
    Ok(())
}

#[tokio::test]
async fn a_failure_that_is_there_before_the_wait_fails_the_document_by_the_registration() -> Result<()> {
    let library = Library::in_turn().await?;
    let key = library.put(b"caf\xe9\n").await?;
    let busy = Action::Error { error: "ProvisionedThroughputExceededException" };
    library.arm("TaskTokenRegistrarFunctionName", "dynamodb:UpdateItem", When::Before, busy, 6).await?;

    let execution = library.run(&key).await?;

    assert_failed(&execution, "ProcessingFailed", "chunk 1 of 1 is not UTF-8: its byte 3 is wrong");
    Ok(())
}

#[tokio::test]
async fn two_documents_and_the_same_one_twice_at_once_do_not_meet() -> Result<()> {
    let library = Library::shared().await?;
    let (one, other) = (text(2_000), text(1_000).to_uppercase());
    let (one, other) = (library.put(one.as_bytes()).await?, library.put(other.as_bytes()).await?);

    let ended = try_join_all([library.run(&one), library.run(&other), library.run(&one)]).await?;

    for execution in [&ended[0], &ended[2]] {
        assert_counted(execution, &one, [4, 2_000, 12_000, 64_000]);
    }
    assert_counted(&ended[1], &other, [2, 1_000, 6_000, 32_000]);
    Ok(())
}

/// Every place in which the processor can die: after each of its calls.
#[tokio::test]
async fn a_processor_that_is_killed_anywhere_has_its_message_again_and_the_document_completes() -> Result<()>
{
    let library = Library::in_turn().await?;
    for operation in ["s3:GetObject", "s3:PutObject", "dynamodb:UpdateItem", "states:SendTaskSuccess"] {
        let key = library.put(text(2 * 512).as_bytes()).await?;
        let when = if operation == "states:SendTaskSuccess" { When::Before } else { When::After };
        library.arm("ChunkProcessorFunctionName", operation, when, Action::Kill, 1).await?;

        let execution = library.run(&key).await?;

        assert_counted(&execution, &key, [2, 1_024, 6_144, 2 * CHUNK]);
    }
    let processor = library.stack.output("ChunkProcessorFunctionName")?;
    let faults = library.stack.faults().await?;
    let fired: Vec<u32> =
        faults.iter().filter(|fault| fault.function == processor).map(|fault| fault.fired).collect();
    assert!(fired.len() >= 4 && fired.iter().all(|fired| *fired > 0), "{fired:?}");
    Ok(())
}

#[tokio::test]
async fn a_chunk_that_never_finishes_ends_the_wait_which_says_how_many_are_done() -> Result<()> {
    let library = Library::by_hand().await?;
    let key = library.put(text(4 * 512).as_bytes()).await?;
    let execution = library.start(&key).await?;
    let chunks = library.chunks(&execution, 4).await?;

    for chunk in [0, 2, 3] {
        library.tell(&chunks[chunk]).await?;
    }
    let ended = library.end(&execution).await?;

    assert_eq!(ended.status, ExecutionStatus::Failed);
    assert_failed(&ended, "UnexpectedFailure", "After 20 s, 3 of 4 chunks were done");
    assert_eq!(library.artifacts("chunks", &execution).await?.len(), 4);
    library.tell(&chunks[1]).await?;
    assert_eq!(library.processed(&execution, 4).await?[3], "Complete Late");
    Ok(())
}

#[tokio::test]
async fn a_chunk_that_fails_five_times_is_in_the_dead_letter_queue() -> Result<()> {
    let library = Library::in_turn().await?;
    let key = library.put(b"one line\n").await?;
    let refused = Action::Error { error: "AccessDenied" };
    library.arm("ChunkProcessorFunctionName", "s3:PutObject", When::Before, refused, 5).await?;

    let execution = library.run(&key).await?;

    assert_failed(&execution, "UnexpectedFailure", "After 30 s, 0 of 1 chunks were done");
    let dead = library.dead_letter().await?;
    let chunk = &library.artifacts("chunks", &execution.arn).await?[0];
    assert_eq!(dead["Records"][0]["s3"]["object"]["key"], **chunk);
    Ok(())
}

#[tokio::test]
async fn the_event_of_a_chunk_that_is_gone_is_let_be() -> Result<()> {
    assert!(Library::shared().await?.lets_a_gone_chunk_be().await?);
    Ok(())
}

#[tokio::test]
async fn an_execution_that_was_stopped_while_it_waited_is_redriven_and_goes_on() -> Result<()> {
    let library = Library::by_hand().await?;
    let key = library.put(text(2 * 512).as_bytes()).await?;
    let execution = library.start(&key).await?;
    let chunks = library.chunks(&execution, 2).await?;
    library.tell(&chunks[0]).await?;
    library.processed(&execution, 1).await?;
    library.sfn.stop_execution().execution_arn(&execution).send().await?;

    library.sfn.redrive_execution().execution_arn(&execution).send().await?;
    library.tell(&chunks[1]).await?;
    let ended = library.end(&execution).await?;

    assert_counted(&ended, &key, [2, 1_024, 6_144, 2 * CHUNK]);
    Ok(())
}
