//! HOST2's application closes as soon as it has answered, HOST1's a little later. Two seconds after the start HOST1's
//! application asks again, from the same port.

use super::{Client, Scene, Server};
use std::time::Duration;

pub(super) fn scene() -> Scene {
    let scene = Scene::default();
    Scene {
        client: Client {
            visits: 2,
            back_at: Duration::from_secs(2),
            closes_after: Duration::from_millis(100),
            own_port: true,
            ..scene.client
        },
        server: Server { one_reply: true, ..scene.server },
        page_changes: true,
        ..scene
    }
}
