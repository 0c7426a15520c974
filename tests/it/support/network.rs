//! A network between a client and a server. It forwards everything until it is told to drop everything, as with a host
//! that disappears.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Network {
    /// The address that the client connects to.
    pub address: SocketAddr,
    /// The number of changes. Connections from before a change are never forwarded again. In an odd state, no
    /// connection is.
    state: watch::Sender<u32>,
}

impl Network {
    /// A network in front of the server at `server`.
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
                    // The connection stays open and forwards nothing.
                    std::future::pending::<()>().await;
                });
            }
        });
        Self { address, state }
    }

    /// From now on, nothing is forwarded.
    pub fn swallow(&self) {
        self.state.send_modify(|state| *state += 1);
    }

    /// Forwards new connections after [`Self::swallow`].
    pub fn connect_anew(&self) {
        self.state.send_modify(|state| *state += 1);
    }
}
