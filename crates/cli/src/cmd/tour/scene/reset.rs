//! HOST2's application fails in the middle of its reply and gives the connection up.

use super::{Scene, Server};
use std::time::Duration;

pub(super) fn scene() -> Scene {
    let scene = Scene::default();
    Scene { server: Server { fails_after: Some(Duration::from_millis(100)), ..scene.server }, ..scene }
}
