//! HOST2's application does not listen.

use super::{Opens, Scene, Server};

pub(super) fn scene() -> Scene {
    let scene = Scene::default();
    Scene { server: Server { opens: Opens::Never, ..scene.server }, ..scene }
}
