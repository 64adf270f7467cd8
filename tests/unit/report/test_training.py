import numpy as np
from safetensors.numpy import save_file

from earmark.report.training import MOST_POINTS, Curve, count_parameters, read_log, thin


def test_of_a_step_logged_twice_the_later_row_counts(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"step":2,"split":"train","loss":9.0,"lr":0.1}\n'
        '{"step":2,"split":"validation","loss":3.0,"map":0.5}\n'
        '{"step":1,"split":"train","loss":7.0,"other":"ignored"}\n'
        '{"step":2,"split":"train","loss":1.0,"audio_s_per_s":3.5}\n'
    )
    rows = read_log(path)
    assert [(row.step, row.split, row.loss) for row in rows] == [
        (1, "train", 7.0),
        (2, "train", 1.0),
        (2, "validation", 3.0),
    ]
    assert rows[1].audio_s_per_s == 3.5
    assert rows[2].map == 0.5


def test_a_long_curve_is_averaged_down():
    steps = np.arange(1.0, 10_001.0)
    curve = thin(Curve(steps, 2 * steps))
    assert len(curve.steps) == MOST_POINTS
    np.testing.assert_allclose(curve.values, 2 * curve.steps)
    assert abs(curve.steps.mean() - steps.mean()) < 10


def test_a_short_curve_stays_as_it_is():
    curve = Curve(np.arange(3.0), np.ones(3))
    assert thin(curve) is curve


def test_parameters_are_counted_from_the_header(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float32)}, path)
    assert count_parameters(path) == 17
