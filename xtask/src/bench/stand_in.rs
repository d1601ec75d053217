//! A stand-in for Lambda and S3 on loopback: it hands out one invocation, the document, and takes the chunks.

use std::{
    convert::Infallible,
    fs,
    future::pending,
    io::Read,
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context, Poll},
    thread,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Method, Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime::Builder, task::LocalSet};

const EVENT: &str = include_str!("../../../events/document-splitter/split.json");

pub(super) struct StandIn {
    pub(super) address: SocketAddr,
    /// What the function answers.
    pub(super) answer: Receiver<String>,
    written: Arc<Written>,
}

#[derive(Default)]
struct Written {
    chunks: AtomicU64,
    bytes: AtomicU64,
}

struct Server {
    text: PathBuf,
    bytes: u64,
    invoked: AtomicBool,
    answer: Sender<String>,
    written: Arc<Written>,
}

impl StandIn {
    /// Serves the document `text` on a thread of its own, as long as this process lives.
    pub(super) fn start(text: PathBuf, bytes: u64) -> Self {
        let (answer, answered) = channel();
        let (listening, address) = channel();
        let written = Arc::new(Written::default());
        let server =
            Server { text, bytes, invoked: AtomicBool::new(false), answer, written: written.clone() };
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(LocalSet::new().run_until(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
                listening.send(listener.local_addr().unwrap()).unwrap();
                let server = Arc::new(server);
                loop {
                    let (connection, _) = listener.accept().await.unwrap();
                    let server = server.clone();
                    tokio::task::spawn_local(async move {
                        let service = service_fn(|request| server.serve(request));
                        // The function is killed in the end, with its connections.
                        drop(http1::Builder::new().serve_connection(TokioIo::new(connection), service).await);
                    });
                }
            }));
        });
        Self { address: address.recv().unwrap(), answer: answered, written }
    }

    /// How many chunks and bytes were written.
    pub(super) fn written(&self) -> (u64, u64) {
        (self.written.chunks.load(Ordering::Relaxed), self.written.bytes.load(Ordering::Relaxed))
    }
}

impl Server {
    async fn serve(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Either<Full<Bytes>, Document>>, Infallible> {
        let path = request.uri().path().to_owned();
        let empty = || Response::new(Either::Left(Full::default()));
        Ok(match (request.method(), path.as_str()) {
            (&Method::GET, path) if path.ends_with("/invocation/next") => {
                if self.invoked.swap(true, Ordering::Relaxed) {
                    pending::<()>().await;
                }
                let mut invocation = Response::new(Either::Left(Full::from(EVENT)));
                for (name, value) in [
                    ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
                    ("lambda-runtime-deadline-ms", "4102444800000"),
                    ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:1:function:splitter"),
                ] {
                    invocation.headers_mut().insert(name, value.parse().unwrap());
                }
                invocation
            }
            (&Method::POST, _) => {
                let answer = request.into_body().collect().await.unwrap().to_bytes();
                self.answer.send(String::from_utf8_lossy(&answer).into_owned()).unwrap();
                empty()
            }
            (&Method::GET, _) => {
                let file = fs::File::open(&self.text).unwrap();
                Response::new(Either::Right(Document { file, left: self.bytes }))
            }
            _ => {
                let mut body = request.into_body();
                while let Some(frame) = body.frame().await {
                    let bytes = frame.unwrap().into_data().map_or(0, |data| data.len());
                    self.written.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                }
                self.written.chunks.fetch_add(1, Ordering::Relaxed);
                empty()
            }
        })
    }
}

/// The content of a file, as it is asked for.
struct Document {
    file: fs::File,
    left: u64,
}

impl Body for Document {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut piece = vec![0; 64 * 1_024];
        let read = self.file.read(&mut piece).unwrap();
        piece.truncate(read);
        self.left -= read as u64;
        Poll::Ready((read > 0).then(|| Ok(Frame::data(piece.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
