//! Nobody listens: both applications connect at the start of their clocks, which agree, each from a port of its own to
//! the other's.

use super::{Client, Opens, Scene, Server};

pub(super) fn scene() -> Scene {
    let scene = Scene::default();
    Scene {
        client: Client { own_port: true, ..scene.client },
        server: Server { opens: Opens::Connects, ..scene.server },
        ..scene
    }
}
