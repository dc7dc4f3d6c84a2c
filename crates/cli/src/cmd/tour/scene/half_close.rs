//! HOST1's application has said everything once it has asked, and says so; HOST2's takes its time to answer.

use super::{Client, Scene, Server};
use std::time::Duration;

pub(super) fn scene() -> Scene {
    let scene = Scene::default();
    Scene {
        client: Client { half_close: true, ..scene.client },
        server: Server { thinks: Duration::from_millis(100), ..scene.server },
        ..scene
    }
}
