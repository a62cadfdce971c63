//! A small web server on this machine that answers as a test wants.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
};

use flate2::{Compression, write::GzEncoder};
use rustls::{
    ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{all_pixels, idx_bytes, mnist};

pub const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// Returns the four files of MNIST, rebuilt from the loaded images and labels.
pub fn mnist_files() -> [Vec<u8>; 4] {
    let bytes = |labels: &[u32]| labels.iter().map(|&label| label as u8).collect::<Vec<u8>>();
    let file = |magic: u32, dimensions: &[usize], values: &[u8]| {
        let dimensions: Vec<u32> = dimensions.iter().map(|&dimension| dimension as u32).collect();
        idx_bytes(magic, &dimensions, values)
    };
    let splits = mnist();
    let (train, test) = (&splits.train, &splits.test);
    [
        file(0x803, &[train.labels().len(), 28, 28], &all_pixels(train)),
        file(0x801, &[train.labels().len()], &bytes(train.labels())),
        file(0x803, &[test.labels().len(), 28, 28], &all_pixels(test)),
        file(0x801, &[test.labels().len()], &bytes(test.labels())),
    ]
}

/// Returns the four files of MNIST, gzipped.
pub fn mnist_gzipped() -> &'static [Vec<u8>; 4] {
    static FILES: OnceLock<[Vec<u8>; 4]> = OnceLock::new();
    FILES.get_or_init(|| mnist_files().map(|file| gzip(&file)))
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A server that runs until the tests end.
pub struct Server {
    pub url: String,
    requests: Arc<AtomicUsize>,
}

/// A request that the server has read.
pub struct Request {
    pub stream: TcpStream,
    pub path: String,
    /// Number of requests to this server so far.
    pub count: usize,
}

impl Server {
    /// Starts a server that answers each request with `answer`, on a thread of its own.
    pub fn start(answer: impl Fn(Request) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let (answer, counter) = (Arc::new(answer), requests.clone());
        let url = listen("http", move |stream| {
            let (answer, counter) = (answer.clone(), counter.clone());
            thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone()?).lines();
                let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
                lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let count = counter.fetch_add(1, Ordering::SeqCst) + 1;
                // A client that stops a download closes the connection, which is not an error here.
                answer(Request { stream, path, count })
            });
        });
        Self { url, requests }
    }

    /// Starts a mirror of MNIST.
    pub fn mnist() -> Self {
        Self::start(Request::send_mnist)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Request {
    /// Returns the position of the requested file in [`NAMES`].
    pub fn file(&self) -> usize {
        NAMES.iter().position(|name| self.path.ends_with(&format!("/{name}.gz"))).unwrap()
    }

    pub fn send_mnist(self) -> io::Result<()> {
        let file = self.file();
        self.send(&mnist_gzipped()[file])
    }

    /// Answers with a complete body.
    pub fn send(mut self, body: &[u8]) -> io::Result<()> {
        self.send_head("200 OK", &format!("Content-Length: {}", body.len()))?;
        self.stream.write_all(body)
    }

    /// Answers with a status and an empty body.
    pub fn send_status(mut self, status: &str) -> io::Result<()> {
        self.send_head(status, "Content-Length: 0")
    }

    pub fn send_head(&mut self, status: &str, header: &str) -> io::Result<()> {
        write!(self.stream, "HTTP/1.1 {status}\r\n{header}\r\nConnection: close\r\n\r\n")
    }

    /// Stays silent until the client closes the connection.
    pub fn hang(mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(|_| ())
    }
}

/// Returns the https URL of a server that accepts connections and stays silent.
pub fn silent_tls() -> String {
    let mut connections = Vec::new();
    listen("https", move |stream| connections.push(stream))
}

/// Returns the https URL of a server with a self-signed certificate, made by `tls/forge.sh`, and the result of each
/// handshake.
pub fn forged_tls() -> (String, Receiver<io::Result<()>>) {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/forged.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/forged.key")).unwrap();
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let (config, (results, handshakes)) = (Arc::new(config), mpsc::channel());
    let url = listen("https", move |mut stream| {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        let result = loop {
            match connection.complete_io(&mut stream) {
                Ok(_) if connection.is_handshaking() => {}
                other => break other.map(|_| ()),
            }
        };
        let _ = results.send(result);
    });
    (url, handshakes)
}

fn listen(scheme: &str, mut accept: impl FnMut(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    thread::spawn(move || listener.incoming().for_each(|stream| accept(stream.unwrap())));
    url
}
