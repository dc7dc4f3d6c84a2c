//! Both applications close when their clocks, which agree, show one second.

use super::{Client, Scene, Server};
use std::time::Duration;

pub(super) fn scene() -> Scene {
    let closes_at = Duration::from_secs(1);
    let scene = Scene::default();
    Scene {
        client: Client { close_at: closes_at, ..scene.client },
        server: Server { close_at: Some(closes_at), ..scene.server },
        ..scene
    }
}
