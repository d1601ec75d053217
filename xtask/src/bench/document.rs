//! How fast a document is split and processed, and in how much memory, beside `split` and `wc` on the same text:
//!
//! - `split` and the cutter, each from file to files;
//! - `wc` and the counts of a chunk, as `chunk-processor` makes them;
//! - the function itself, as Lambda runs it, between a stand-in for Lambda and S3 in this process.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use text_chunks::{ChunkSize, Cutter, TextCounts};

use super::stand_in::StandIn;

const CHUNK_BYTES: usize = 1 << 20;
/// What the function may take: the smallest that Lambda has.
const MOST_MEMORY_MIB: f64 = 128.0;
/// How many clock ticks of `/proc/<pid>/stat` are a second.
const TICKS: f64 = 100.0;

/// Runs all on a text of `mib` MiB below `folder`, prints what it took, and says whether the counts are those of `wc` and
/// the `function`, a binary, takes no more than 128 MB.
pub(super) fn run(folder: &Path, function: &Path, mib: usize) -> bool {
    fs::create_dir_all(folder).unwrap();
    let text = folder.join(format!("text-{mib}.txt"));
    if !text.exists() {
        write_text(&text, mib);
    }
    let bytes = fs::metadata(&text).unwrap().len();
    println!("{:<44}{:>10}{:>14}{:>12}", format!("{mib} MiB"), "MB/s", "MB/s per core", "peak MiB");

    let chunks = folder.join("chunks");
    let (_, split) = child(
        in_new_folder(&chunks, "split").args(["-C", "1048576", "-a", "5"]).arg(&text).arg(chunks.join("x")),
    );
    row("split -C, from file to files", bytes, split);
    fs::remove_dir_all(&chunks).unwrap();
    fs::create_dir_all(&chunks).unwrap();
    row(
        "the cutter, from file to files",
        bytes,
        here(|| {
            cut(&text, |number, chunk| {
                fs::write(chunks.join(number.to_string()), chunk).unwrap();
            });
        }),
    );
    fs::remove_dir_all(&chunks).unwrap();
    row("the cutter alone", bytes, here(|| cut(&text, |_, _| ())));

    let (printed, wc) =
        child(Command::new("wc").args(["-l", "-w", "-c"]).arg(&text).env("LC_ALL", "C.UTF-8"));
    row("wc -l -w -c, UTF-8", bytes, wc);
    let (_, wc) = child(Command::new("wc").args(["-l", "-w", "-c"]).arg(&text).env("LC_ALL", "C"));
    row("wc -l -w -c, bytes", bytes, wc);
    let mut sum = TextCounts::default();
    let mut counting = Cost::default();
    cut(&text, |_, chunk| {
        let mut counts = None;
        let cost = here(|| counts = Some(TextCounts::of(str::from_utf8(chunk).unwrap())));
        counting = counting.and(&cost);
        sum.append(counts.unwrap()).unwrap();
    });
    row("the counts of chunks, with all words", bytes, counting);
    let wc: Vec<u64> = printed.split_whitespace().map_while(|number| number.parse().ok()).collect();
    let as_wc = wc == [sum.lines, sum.words, sum.bytes];

    let (written, function) = run_function(function, &text, bytes);
    row("document-splitter, with its S3 client", bytes, function.clone());
    let chunks = ChunkSize::new(CHUNK_BYTES).unwrap().chunks_in(bytes);

    println!("\nas wc: {as_wc}; chunks {} of {chunks}, bytes {} of {bytes}", written.0, written.1);
    let fits = function.peak_mib.is_some_and(|peak| peak <= MOST_MEMORY_MIB);
    as_wc && written == (chunks, bytes) && fits
}

/// What something took.
#[derive(Debug, Clone, Default)]
struct Cost {
    wall: Duration,
    cpu: Duration,
    peak_mib: Option<f64>,
}

impl Cost {
    fn and(&self, other: &Self) -> Self {
        Self { wall: self.wall + other.wall, cpu: self.cpu + other.cpu, peak_mib: None }
    }
}

fn row(name: &str, bytes: u64, Cost { wall, cpu, peak_mib }: Cost) {
    let speed = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
    let peak = peak_mib.map(|peak| format!("{peak:.1}")).unwrap_or_default();
    println!("{name:<44}{:>10.0}{:>14.0}{peak:>12}", speed(wall), speed(cpu));
}

/// Runs something on this thread.
fn here(run: impl FnOnce()) -> Cost {
    let cpu = || -> u64 {
        let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        times.split(' ').next().unwrap().parse().unwrap()
    };
    let (started, before) = (Instant::now(), cpu());
    run();
    Cost { wall: started.elapsed(), cpu: Duration::from_nanos(cpu() - before), peak_mib: None }
}

/// Runs a program, and returns what it printed.
fn child(command: &mut Command) -> (String, Cost) {
    let started = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    // What it took can be read until it is waited for.
    while state(child.id()) != "Z" {
        std::thread::sleep(Duration::from_millis(1));
    }
    let cost = Cost { wall: started.elapsed(), cpu: cpu_of(child.id()), peak_mib: None };
    assert!(child.wait().unwrap().success());
    (printed, cost)
}

fn in_new_folder(folder: &Path, program: &str) -> Command {
    fs::create_dir_all(folder).unwrap();
    Command::new(program)
}

fn state(process: u32) -> String {
    stat(process)[0].clone()
}

fn cpu_of(process: u32) -> Duration {
    let stat = stat(process);
    let ticks: f64 = stat[11].parse::<f64>().unwrap() + stat[12].parse::<f64>().unwrap();
    Duration::from_secs_f64(ticks / TICKS)
}

/// The fields of `/proc/<pid>/stat` that follow the program's name.
fn stat(process: u32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split_whitespace().map(str::to_owned).collect()
}

fn peak_mib_of(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
}

fn cut(text: &Path, mut each: impl FnMut(u64, &[u8])) {
    let mut file = fs::File::open(text).unwrap();
    let mut cutter = Cutter::new(ChunkSize::new(CHUNK_BYTES).unwrap());
    let mut buffer = vec![0; 64 * 1_024];
    let mut number = 0;
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        let mut piece = &buffer[..read];
        while let Some(chunk) = cutter.next_chunk(&mut piece) {
            number += 1;
            each(number, &chunk);
        }
    }
    each(number + 1, &cutter.finish());
}

/// Runs the function for one invocation, and returns how many chunks and bytes it wrote.
fn run_function(binary: &Path, text: &Path, bytes: u64) -> ((u64, u64), Cost) {
    let stand_in = StandIn::start(text.to_owned(), bytes);
    let address = stand_in.address.to_string();
    let mut function = Command::new(binary)
        .env("AWS_LAMBDA_RUNTIME_API", &address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "document-splitter")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_ENDPOINT_URL", format!("http://{address}"))
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("CHUNK_BYTES", CHUNK_BYTES.to_string())
        .env("DOCUMENT_BUCKET", "documents")
        .env("TASK_TOKENS_TABLE", "none")
        .env("STACK_NAME", "none")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let answer = stand_in.answer.recv().unwrap();
    let wall = started.elapsed();
    let cost = Cost { wall, cpu: cpu_of(function.id()), peak_mib: Some(peak_mib_of(function.id())) };
    function.kill().unwrap();
    function.wait().unwrap();
    assert!(answer.contains("\"chunks\""), "{answer}");
    (stand_in.written(), cost)
}

/// Writes lines of words of this repository, drawn at random: always the same, and every MiB the same again.
fn write_text(path: &Path, mib: usize) {
    let words = concat!(
        include_str!("../../../README.md"),
        include_str!("../../../docs/ARCHITECTURE.md"),
        include_str!("../../../shared/token-store/src/rendezvous.rs")
    );
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut seed = 1_u64;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut lines = String::new();
    while lines.len() < 1 << 20 {
        for _ in 0..=draw(16) {
            lines.push_str(words[draw(words.len())]);
            lines.push(' ');
        }
        lines.pop();
        lines.push('\n');
    }
    let mut file = fs::File::create(path).unwrap();
    for _ in 0..mib {
        file.write_all(lines.as_bytes()).unwrap();
    }
}
