"""Training of somebody's converted model."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from s3train import TensorFormat, convert, fine_tune, run_integer
from s3train.data import load_digits
from s3train.logits_scale import LEAST, logits_scale

IMAGE = TensorFormat(5, 0, 4)
DIGITS = load_digits()
TRAIN = (DIGITS.train_images[:640] / 16, DIGITS.train_labels[:640])


def float_model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10)
    )


def numbers(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def accuracy(model, integer=True):
    test = DIGITS.test_images
    logits = list(run_integer(model, IMAGE, test).values())[-1] if integer else model(test / 16)
    return float((logits.argmax(1) == DIGITS.test_labels).double().mean())


def test_it_learns_and_the_teacher_is_left_alone():
    teacher = float_model()
    optimizer = torch.optim.Adam(teacher.parameters(), 1e-2)
    for _ in range(30):
        nn.functional.cross_entropy(teacher(TRAIN[0]), TRAIN[1]).backward()
        optimizer.step()
        optimizer.zero_grad()
    before = {key: value.clone() for key, value in teacher.eval().state_dict().items()}
    shifted = convert(teacher, image=IMAGE, from_weights=True)
    loader = DataLoader(TensorDataset(*TRAIN), 32, shuffle=True)
    result = fine_tune(shifted, loader, classes=10, epochs=6, teacher=teacher, progress=False)
    assert result is shifted and not shifted.training
    assert accuracy(shifted) > 0.85 and accuracy(shifted) == accuracy(shifted, integer=False)
    assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())


def test_a_list_of_batches_is_the_same_as_a_loader_of_them():
    batches = [(TRAIN[0][i : i + 64], TRAIN[1][i : i + 64]) for i in range(0, 640, 64)]
    trained = []
    for given in (batches, DataLoader(batches, batch_size=None)):
        model = convert(float_model(), image=IMAGE, from_weights=True)
        fine_tune(model, given, classes=10, epochs=2, progress=False)
        trained.append(numbers(model))
    assert torch.equal(*trained)
    assert not torch.equal(trained[0], numbers(convert(float_model(), image=IMAGE, from_weights=True)))


def test_the_logits_scale_of_a_network_that_is_not_made_of_the_teacher_is_measured():
    def batch():
        return TRAIN[0][:128]

    def unwanted():
        raise AssertionError

    teacher = float_model()
    assert 3 < logits_scale(convert(teacher, image=IMAGE, from_weights=True), teacher, unwanted) < 300
    teacher = float_model()
    stranger = convert(float_model(), image=IMAGE)
    wider = nn.Sequential(nn.Conv2d(1, 16, 3), nn.Flatten(), nn.Linear(576, 10))
    opposite = float_model()
    opposite[-1].weight.data = -teacher[-1].weight.data
    opposite = convert(opposite, image=IMAGE, from_weights=True)
    for network, other in ((stranger, teacher), (stranger, wider), (opposite, teacher)):
        assert logits_scale(network, other, batch) == max(LEAST, 1.5 * float(network.train()(batch()).std()))
    batches = [(TRAIN[0][i : i + 64], TRAIN[1][i : i + 64]) for i in range(0, 640, 64)]
    fine_tune(stranger, batches, classes=10, epochs=1, teacher=wider, progress=False)
