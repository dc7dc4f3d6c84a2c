//! HOST1's application has said everything once it has asked, and says so; HOST2's takes its time to answer, and to
//! close after that.

use super::{Client, Scene, Server};
use std::time::Duration;

pub(super) fn scene() -> Scene {
    let scene = Scene::default();
    Scene {
        client: Client { half_close: true, ..scene.client },
        server: Server {
            thinks: Duration::from_millis(100),
            closes_after: Duration::from_millis(50),
            ..scene.server
        },
        ..scene
    }
}
