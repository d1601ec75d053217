//! Every permission of the document's part of the template is needed: without it, the workflow does not end as it should.

use anyhow::Result;
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::{
    StackDescription,
    execution::Execution,
    functions::{Action, When},
};
use tokio::time::{Duration, timeout};

use crate::{
    dead_letters,
    library::{CHUNK, Library, text},
    permissions::Policies,
};

const RESOURCES: [&str; 3] =
    ["DocumentProcessorStateMachine", "DocumentSplitterFunction", "ChunkProcessorFunction"];

/// When the chunks are processed.
#[derive(Clone, Copy, PartialEq)]
enum Processed {
    BeforeTheWait,
    WhileItWaits,
}

/// Whether the workflow ends as a text or something else in UTF-8 must let it end.
async fn ends_well(library: &Library, content: &[u8], processed: Processed) -> Result<bool> {
    let key = library.put(content).await?;
    library.stack.disarm(library.stack.output("TaskTokenRegistrarFunctionName")?).await?;
    if processed == Processed::BeforeTheWait {
        let busy = Action::Error { error: "ProvisionedThroughputExceededException" };
        library.arm("TaskTokenRegistrarFunctionName", "dynamodb:UpdateItem", When::Before, busy, 6).await?;
    }
    let execution = library.start(&key).await?;
    let chunks = async {
        let chunks = library.chunks(&execution, 2).await?;
        if processed == Processed::WhileItWaits {
            library.registered(&execution).await?;
        }
        for chunk in chunks {
            library.tell(&chunk).await?;
        }
        anyhow::Ok(())
    };
    // Without some permissions there are no chunks and no wait: the end of the execution tells.
    if timeout(Duration::from_secs(12), chunks).await.is_err() {
        return Ok(false);
    }
    let ended = library.end(&execution).await?;
    Ok(if str::from_utf8(content).is_ok() {
        ended.status == ExecutionStatus::Succeeded && ended.output["bytes"] == content.len()
    } else {
        let cause = "chunk 2 of 2 is not UTF-8: its byte 3 is wrong";
        let artifacts = library.artifacts("chunks", &execution).await?;
        fails_with(&ended, "ProcessingFailed", cause) && artifacts.is_empty()
    })
}

fn fails_with(ended: &Execution, error: &str, cause: &str) -> bool {
    ended.error.as_deref() == Some(error) && ended.cause.as_deref() == Some(cause)
}

/// Whether the document workflow does all that it should.
async fn document_works(library: &Library) -> Result<bool> {
    let missing = library.run("documents/nobody-wrote-this.txt").await?;
    let cause = "there is no document documents/nobody-wrote-this.txt";
    if !missing.cause.is_some_and(|told| told.contains(cause)) || !library.lets_a_gone_chunk_be().await? {
        return Ok(false);
    }
    let good = text(2 * 512).into_bytes();
    let mut bad = good.clone();
    bad[CHUNK + 3] = 0xff;
    for content in [good, bad] {
        for processed in [Processed::WhileItWaits, Processed::BeforeTheWait] {
            if !ends_well(library, &content, processed).await? {
                return Ok(false);
            }
        }
    }
    let queue = "ChunkProcessorDeadLetterQueueUrl";
    dead_letters::are_kept(&library.stack, "ChunkProcessorFunctionName", queue).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_permissions_the_document_does_not_work() -> Result<()> {
    let shared = StackDescription::of_this_test_run()?;
    // S3 tells of chunks when the test says so.
    let template = shared.built_template()?.replace("s3:ObjectCreated:*", "s3:ObjectCreated:Copy");
    let parameters = ["DocumentTimeoutSeconds=15", &format!("ChunkBytes={CHUNK}")];
    let stack = shared.deploy_copy("document-permissions", &template, &parameters).await?;
    let library = Library::of(stack).await;
    let policies = Policies::of(&library.stack).await;
    policies.assert_each_is_needed(&RESOURCES, 14, async || document_works(&library).await).await
}
