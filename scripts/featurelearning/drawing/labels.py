"""Where to write labels beside the markers of a figure, so that none hides another: plain geometry, in points.

Boxes are rows (left, bottom, right, top); anchors, centres and sizes are rows (x, y).
"""

import numpy as np

RINGS = (4, 7, 11, 16, 22, 29, 37, 46, 56, 68, 82, 100)  # gaps between anchor and label, tried from the nearest
ANGLES = np.linspace(0, 2 * np.pi, 32, endpoint=False)
GAP = 1.5  # kept free around a label
CROWDED = 40.0  # anchors nearer than this compete for room
COVERS, CROSSES, TOUCHES = 1e6, 1e4, 1e2  # costs beside the gap: of a box, of a leader, of a point of a line
SWEEPS = 4  # after the first, each label may move once more, knowing where the others are


def place(
    anchors: np.ndarray, sizes: np.ndarray, obstacles: np.ndarray, lines: np.ndarray, frame: np.ndarray
) -> np.ndarray:
    """Return centres [k, 2] of labels of the given sizes [k, 2] for anchors [k, 2].

    Labels keep clear of the obstacles [m, 4] and of each other, and stay within the frame [4]; then straight leaders
    from anchors to labels cross no label, labels touch few of the points that sample the lines [s, 2], and lie near.
    Greedy, the most crowded anchor first, in a few sweeps; where there is no room, labels overlap.
    """
    crowd = (np.linalg.norm(anchors[:, None] - anchors, axis=-1) < CROWDED).sum(axis=1)
    centres = np.full(anchors.shape, np.inf)  # not placed yet
    for i in [*np.argsort(-crowd, kind="stable")] * SWEEPS:
        others = np.arange(len(anchors)) != i
        placed = _boxes(centres[others], sizes[others] + 2 * GAP)
        leaders = _paths(anchors[others], centres[others]).reshape(-1, 2)
        choices, gaps = _candidates(anchors[i], sizes[i])
        boxes = _boxes(choices, sizes[i] + 2 * GAP)
        covers = _overlaps(boxes, np.concatenate([obstacles, placed])) + _outside(boxes, frame)
        crosses = _inside(leaders, boxes) + _hits(_paths(anchors[i], choices), placed)
        cost = COVERS * covers + CROSSES * crosses + TOUCHES * _inside(lines, boxes) + gaps
        centres[i] = choices[np.argmin(cost)]
    return centres


def _candidates(anchor, size):
    gaps = np.repeat(RINGS, len(ANGLES)).astype(float)
    direction = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
    direction = np.tile(direction, (len(RINGS), 1))
    return anchor + direction * (gaps[:, None] + size / 2), gaps


def _boxes(centres, size):
    return np.concatenate([centres - size / 2, centres + size / 2], axis=1)


def _paths(anchors, centres):
    # The part of the way next to the anchor, where a leader is seen; nowhere for a label that is not placed yet.
    return anchors[..., None, :] + np.linspace(0.05, 0.6, 12)[:, None] * (centres - anchors)[..., None, :]


def _overlaps(boxes, obstacles):
    a, b = boxes[:, None], obstacles[None]
    apart = (a[..., 2:] <= b[..., :2]) | (b[..., 2:] <= a[..., :2])
    return (~apart.any(axis=-1)).sum(axis=1)


def _outside(boxes, frame):
    return ((boxes[:, :2] < frame[:2]) | (boxes[:, 2:] > frame[2:])).any(axis=1).astype(int)


def _inside(points, boxes):
    within = (points > boxes[:, None, :2]) & (points < boxes[:, None, 2:])
    return within.all(axis=-1).sum(axis=1)


def _hits(paths, boxes):
    within = (paths[:, :, None] > boxes[:, :2]) & (paths[:, :, None] < boxes[:, 2:])
    return within.all(axis=-1).sum(axis=(1, 2))
