//! A network between a client and a server: it passes everything on until it is told to swallow everything, as a host
//! does that vanishes.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Network {
    /// Where the server seems to be.
    pub address: SocketAddr,
    /// How many times it has changed. What was connected before a change is never passed on again; in an odd state,
    /// nothing is.
    state: watch::Sender<u32>,
}

impl Network {
    /// Before the server at `server`.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(0);
        let server = server.to_owned();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (mut seen, server) = (seen.clone(), server.clone());
                tokio::spawn(async move {
                    if *seen.borrow_and_update() % 2 == 0 {
                        let mut server = TcpStream::connect(server).await.unwrap();
                        tokio::select! {
                            _ = copy_bidirectional(&mut client, &mut server) => return,
                            _ = seen.changed() => {}
                        }
                    }
                    // Open and deaf.
                    std::future::pending::<()>().await;
                });
            }
        });
        Self { address, state }
    }

    /// From now on, nothing arrives.
    pub fn swallow(&self) {
        self.state.send_modify(|state| *state += 1);
    }

    /// The end of [`Self::swallow`], for new connections.
    pub fn connect_anew(&self) {
        self.state.send_modify(|state| *state += 1);
    }
}
