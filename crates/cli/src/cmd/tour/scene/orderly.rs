//! Open, ask, answer, close: nothing is different.

use super::Scene;

pub(super) fn scene() -> Scene {
    Scene::default()
}
