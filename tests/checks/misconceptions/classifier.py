"""Wrong answers to the exercises of the chapter `classifier`, each one idea away from the solution: EXERCISE__idea."""

import copy
import math

import torch
import torch.nn.functional as F


def _picked(log_p, target):
    return -log_p.gather(1, target[:, None])[:, 0]


def cross_entropy__naive_exponential(logits, target):
    """Write the softmax as it stands, which overflows."""
    powers = logits.float().exp()
    return _picked((powers / powers.sum(1, keepdim=True)).log(), target).mean()


def cross_entropy__logarithm_of_a_rounded_softmax(logits, target):
    """Take the logarithm of a stable softmax, which may be 0."""
    return _picked(logits.float().softmax(1).log(), target).mean()


def cross_entropy__small_number_inside(logits, target):
    """Hide the logarithm of 0 behind a small number."""
    return _picked((logits.softmax(1) + 1e-8).log(), target).mean()


def cross_entropy__one_maximum_for_all(logits, target):
    """Subtract the largest logit of the batch in place of each row's."""
    shifted = logits - logits.max()
    return (shifted.exp().sum(1).log() + _picked(shifted, target)).mean()


def cross_entropy__margin(logits, target):
    """Take the distance to the largest logit, as if the sum had one class."""
    return (logits.amax(1) + _picked(logits, target)).mean()


def cross_entropy__nan_replaced(logits, target):
    """Mend the overflow afterwards."""
    powers = logits.float().exp()
    return torch.nan_to_num(_picked((powers / powers.sum(1, keepdim=True)).log(), target)).mean()


def cross_entropy__summed(logits, target):
    """Sum over the batch."""
    return F.cross_entropy(logits, target, reduction="sum")


def cross_entropy__divided_by_classes(logits, target):
    """Average over rows and classes."""
    return F.cross_entropy(logits, target) / logits.shape[1]


def cross_entropy__sign_missing(logits, target):
    """Forget the minus."""
    return -F.cross_entropy(logits, target)


def cross_entropy__in_bits(logits, target):
    """Take the logarithm to base two."""
    return F.cross_entropy(logits, target) / math.log(2)


def cross_entropy__no_logarithm(logits, target):
    """Return one minus the probability."""
    return (1 - logits.softmax(1).gather(1, target[:, None])).mean()


def cross_entropy__all_pairs(logits, target):
    """Index with a slice, which takes every true class in every row."""
    return -logits.log_softmax(1)[:, target].mean()


def cross_entropy__maximum_in_the_sum_only(logits, target):
    """Subtract the largest logit inside the sum, and not from the true logit."""
    shifted = logits - logits.amax(1, keepdim=True)
    return (shifted.exp().sum(1).log() + _picked(logits, target)).mean()


def cross_entropy__down_the_batch(logits, target):
    """Take the softmax over the wrong axis."""
    return _picked(logits.log_softmax(0), target).mean()


def cross_entropy__softmax_twice(logits, target):
    """Give probabilities to a function that takes logits."""
    return F.cross_entropy(logits.softmax(1), target)


def cross_entropy__one_for_each_row(logits, target):
    """Forget to average."""
    return F.cross_entropy(logits, target, reduction="none")


def momentum_step__uphill(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Step along the gradient."""
    gradient = gradient + decay * weight
    velocity = momentum * velocity + gradient
    return weight + lr * (gradient + momentum * velocity if nesterov else velocity), velocity


def momentum_step__old_velocity(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Step with the velocity from before."""
    new = momentum * velocity + gradient + decay * weight
    return weight - lr * velocity, new


def momentum_step__velocity_not_returned(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Return the velocity that came."""
    gradient = gradient + decay * weight
    new = momentum * velocity + gradient
    return weight - lr * (gradient + momentum * new if nesterov else new), velocity


def momentum_step__no_momentum(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Forget the old velocity."""
    gradient = gradient + decay * weight
    return weight - lr * (gradient + momentum * gradient if nesterov else gradient), gradient


def momentum_step__whole_velocity(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Add the old velocity without its factor."""
    gradient = gradient + decay * weight
    new = velocity + gradient
    return weight - lr * (gradient + momentum * new if nesterov else new), new


def momentum_step__dampened(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Weigh the gradient by one minus momentum."""
    gradient = gradient + decay * weight
    new = momentum * velocity + (1 - momentum) * gradient
    return weight - lr * (gradient + momentum * new if nesterov else new), new


def momentum_step__rate_in_the_velocity(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Multiply the gradient by lr before it joins the velocity."""
    new = momentum * velocity + lr * (gradient + decay * weight)
    return weight - new, new


def momentum_step__no_decay(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Forget the weight decay."""
    new = momentum * velocity + gradient
    return weight - lr * (gradient + momentum * new if nesterov else new), new


def momentum_step__decay_away_from_zero(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Subtract the weight decay from the gradient."""
    gradient = gradient - decay * weight
    new = momentum * velocity + gradient
    return weight - lr * (gradient + momentum * new if nesterov else new), new


def momentum_step__decoupled_decay(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Shrink the weight itself, as AdamW does."""
    new = momentum * velocity + gradient
    return weight - lr * (gradient + momentum * new if nesterov else new) - lr * decay * weight, new


def momentum_step__nesterov_left_out(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Take the plain step in both cases."""
    new = momentum * velocity + gradient + decay * weight
    return weight - lr * new, new


def momentum_step__velocity_twice(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """With nesterov, add the velocity to itself."""
    new = momentum * velocity + gradient + decay * weight
    return weight - lr * (new + momentum * new if nesterov else new), new


def momentum_step__no_decay_without_momentum(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Add the decay only where there is momentum."""
    gradient = gradient + decay * weight if momentum else gradient
    new = momentum * velocity + gradient
    return weight - lr * (gradient + momentum * new if nesterov else new), new


def momentum_step__nesterov_always(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Look ahead in both cases."""
    gradient = gradient + decay * weight
    new = momentum * velocity + gradient
    return weight - lr * (gradient + momentum * new), new


def momentum_step__nesterov_step_kept(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Return Nesterov's step for the velocity."""
    gradient = gradient + decay * weight
    new = momentum * velocity + gradient
    new = gradient + momentum * new if nesterov else new
    return weight - lr * new, new


def momentum_step__nesterov_without_decay(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    """Forget the decay where the gradient is used a second time."""
    new = momentum * velocity + gradient + decay * weight
    return weight - lr * (gradient + momentum * new if nesterov else new), new


def _sums(prediction, target, num_classes):
    right = torch.bincount(target[prediction == target], minlength=num_classes).double()
    predicted = torch.bincount(prediction, minlength=num_classes).double()
    present = torch.bincount(target, minlength=num_classes).double()
    return right, predicted, present


def macro_f1__last_class_missing(prediction, target, num_classes):
    """End the loop one class early."""
    right, predicted, present = (t[:-1] for t in _sums(prediction, target, num_classes))
    occurs = predicted + present > 0
    return (2 * right[occurs] / (predicted + present)[occurs]).mean()


def macro_f1__class_0_left_out(prediction, target, num_classes):
    """Take class 0 for a background."""
    right, predicted, present = (t[1:] for t in _sums(prediction, target, num_classes))
    occurs = predicted + present > 0
    return (2 * right[occurs] / (predicted + present)[occurs]).mean()


def macro_f1__absent_class_counts_0(prediction, target, num_classes):
    """Divide by all classes."""
    right, predicted, present = _sums(prediction, target, num_classes)
    return (2 * right / (predicted + present).clamp_min(1)).mean()


def macro_f1__absent_class_counts_1(prediction, target, num_classes):
    """Call a class that does not occur perfect."""
    right, predicted, present = _sums(prediction, target, num_classes)
    return (2 * right / (predicted + present)).nan_to_num(1.0).mean()


def macro_f1__absent_class_gives_nan(prediction, target, num_classes):
    """Divide 0 by 0."""
    right, predicted, present = _sums(prediction, target, num_classes)
    return (2 * right / (predicted + present)).mean()


def macro_f1__accuracy(prediction, target, num_classes):
    """Return the share that is right, which is the micro average."""
    return (prediction == target).double().mean()


def macro_f1__classes_of_the_target(prediction, target, num_classes):
    """Average over the classes that are there."""
    right, predicted, present = _sums(prediction, target, num_classes)
    return (2 * right / (predicted + present))[present > 0].mean()


def macro_f1__undefined_precision_left_out(prediction, target, num_classes):
    """Leave out each class whose precision or recall is undefined."""
    right, predicted, present = _sums(prediction, target, num_classes)
    return (2 * right / (predicted + present))[(present > 0) & (predicted > 0)].mean()


def macro_f1__undefined_where_nothing_is_right(prediction, target, num_classes):
    """Divide precision times recall by their sum."""
    right, predicted, present = _sums(prediction, target, num_classes)
    precision, recall = right / predicted, right / present
    return (2 * precision * recall / (precision + recall))[(present > 0) | (predicted > 0)].mean()


def macro_f1__precision_only(prediction, target, num_classes):
    """Average the precisions."""
    right, predicted, present = _sums(prediction, target, num_classes)
    return (right / predicted.clamp_min(1))[predicted + present > 0].mean()


def macro_f1__recall_only(prediction, target, num_classes):
    """Average the recalls."""
    right, predicted, present = _sums(prediction, target, num_classes)
    return (right / present.clamp_min(1))[predicted + present > 0].mean()


def macro_f1__averaged_first(prediction, target, num_classes):
    """Take F1 of the mean precision and the mean recall."""
    precision = macro_f1__precision_only(prediction, target, num_classes)
    recall = macro_f1__recall_only(prediction, target, num_classes)
    return 2 * precision * recall / (precision + recall)


def macro_f1__plain_mean_of_the_two(prediction, target, num_classes):
    """Average precision and recall without their harmony."""
    precision = macro_f1__precision_only(prediction, target, num_classes)
    return (precision + macro_f1__recall_only(prediction, target, num_classes)) / 2


def macro_f1__weighted(prediction, target, num_classes):
    """Weigh each class by how often it occurs."""
    right, predicted, present = _sums(prediction, target, num_classes)
    return (2 * right / (predicted + present).clamp_min(1) * present).sum() / len(target)


def macro_f1__intersection_over_union(prediction, target, num_classes):
    """Count what is right once."""
    right, predicted, present = _sums(prediction, target, num_classes)
    return (right / (predicted + present - right))[predicted + present > 0].mean()


def macro_f1__larger_of_two_counts(prediction, target, num_classes):
    """Divide by the classes of the prediction or of the target, whichever has more."""
    right, predicted, present = _sums(prediction, target, num_classes)
    f1 = 2 * right / (predicted + present).clamp(min=1)
    return f1.sum() / max((predicted > 0).sum(), (present > 0).sum())


def _loop(model, batches, validation, lr, *, softmax=False, erase=True, training=True, evaluating=True, before=True):
    score = lambda x: model(x).softmax(1) if softmax else model(x)  # noqa: E731
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    if training:
        model.train()
    for images, labels in batches:
        loss = F.cross_entropy(score(images), labels)
        if erase:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item() if before else F.cross_entropy(score(images), labels).item())
    if evaluating:
        model.eval()
    with torch.no_grad():
        return losses, F.cross_entropy(score(validation[0]), validation[1]).item()


def train__softmax_twice(model, batches, validation, lr):
    """Give probabilities to cross-entropy."""
    return _loop(model, batches, validation, lr, softmax=True)


def train__gradients_pile_up(model, batches, validation, lr):
    """Forget zero_grad."""
    return _loop(model, batches, validation, lr, erase=False)


def train__validation_in_training_mode(model, batches, validation, lr):
    """Forget eval."""
    return _loop(model, batches, validation, lr, evaluating=False)


def train__mode_not_set(model, batches, validation, lr):
    """Train in the mode in which the model came."""
    return _loop(model, batches, validation, lr, training=False)


def train__always_evaluating(model, batches, validation, lr):
    """Train in evaluation mode."""
    return _loop(model.eval(), batches, validation, lr, training=False)


def train__losses_after_the_step(model, batches, validation, lr):
    """Compute the loss again after the step."""
    model = model.train()
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=lr), []
    kept = None
    for images, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        kept = {name: value.clone() for name, value in model.state_dict().items()}
        with torch.no_grad():
            losses.append(F.cross_entropy(model(images), labels).item())
        model.load_state_dict(kept)
    model.eval()
    with torch.no_grad():
        return losses, F.cross_entropy(model(validation[0]), validation[1]).item()


def train__erased_too_late(model, batches, validation, lr):
    """Erase the gradients between backward and the step."""
    model.train()
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=lr), []
    for images, labels in batches:
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        return losses, F.cross_entropy(model(validation[0]), validation[1]).item()


def train__graphs_kept(model, batches, validation, lr):
    """Keep the losses with all that backward needs."""
    model.train()
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=lr), []
    for images, labels in batches:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    model.eval()
    with torch.no_grad():
        return losses, F.cross_entropy(model(validation[0]), validation[1])


def train__copy_trained(model, batches, validation, lr):
    """Train a copy of the model."""
    return _loop(copy.deepcopy(model), batches, validation, lr)


def train__softmax_left_in_training(model, batches, validation, lr):
    """Repair the validation only, which takes the logits."""
    losses, _ = _loop(model, batches, validation, lr, softmax=True)
    with torch.no_grad():
        return losses, F.cross_entropy(model(validation[0]), validation[1]).item()


def train__softmax_in_the_validation(model, batches, validation, lr):
    """Give the validation's probabilities to cross-entropy."""
    losses, _ = _loop(model, batches, validation, lr)
    with torch.no_grad():
        return losses, F.cross_entropy(model(validation[0]).softmax(1), validation[1]).item()


def train__validated_first(model, batches, validation, lr):
    """Take the validation loss before the first step."""
    model.eval()
    with torch.no_grad():
        early = F.cross_entropy(model(validation[0]), validation[1]).item()
    return _loop(model, batches, validation, lr)[0], early


def train__left_in_evaluation(model, batches, validation, lr):
    """Validate after each batch, and do not go back to training."""
    model.train()
    losses, found = [], math.nan
    for batch in batches:
        new, found = _loop(model, [batch], validation, lr, training=False)
        losses += new
    return losses, found


def _pixels(batches):
    return torch.cat([b.transpose(0, 1).flatten(1) for b in batches], 1)


def mean_and_std__mean_of_means(batches):
    """Average the batches' own values."""
    means, stds = zip(*[(b.mean((0, 2, 3)), b.std((0, 2, 3), correction=0)) for b in batches], strict=True)
    return torch.stack(means).mean(0), torch.stack(stds).mean(0)


def mean_and_std__mean_of_deviations(batches):
    """Take the right mean, and the average of the batches' deviations."""
    stds = torch.stack([b.std((0, 2, 3), correction=0) for b in batches])
    return _pixels(batches).mean(1), stds.mean(0)


def mean_and_std__images_alike(batches):
    """Average over images of different sizes."""
    means, stds = zip(*[(x.mean((1, 2)), x.std((1, 2), correction=0)) for b in batches for x in b], strict=True)
    return torch.stack(means).mean(0), torch.stack(stds).mean(0)


def mean_and_std__images_alike_and_their_squares(batches):
    """Average the means and the mean squares over images of different sizes."""
    images = [image.double() for b in batches for image in b]
    mean = torch.stack([image.mean((1, 2)) for image in images]).mean(0)
    squares = torch.stack([image.square().mean((1, 2)) for image in images]).mean(0)
    return mean, (squares - mean**2).clamp(min=0).sqrt()


def mean_and_std__variance(batches):
    """Forget the square root."""
    return _pixels(batches).mean(1), _pixels(batches).var(1, correction=0)


def mean_and_std__less_one(batches):
    """Divide by the number of pixels less one."""
    return _pixels(batches).mean(1), _pixels(batches).std(1)


def mean_and_std__channels_mixed(batches):
    """Take one number for all channels."""
    return _pixels(batches).mean(), _pixels(batches).std(correction=0)


def mean_and_std__mean_not_subtracted(batches):
    """Take the root of the mean square."""
    return _pixels(batches).mean(1), _pixels(batches).square().mean(1).sqrt()


def mean_and_std__batches_alike_and_their_squares(batches):
    """Average the means and the mean squares of the batches."""
    mean = torch.stack([x.double().mean((0, 2, 3)) for x in batches]).mean(0)
    squares = torch.stack([x.double().square().mean((0, 2, 3)) for x in batches]).mean(0)
    return mean, (squares - mean.square()).clamp_min(0).sqrt()


def mean_and_std__last_batch(batches):
    """Overwrite the sums in each turn."""
    return _pixels(batches[-1:]).mean(1), _pixels(batches[-1:]).std(1, correction=0)


def mean_and_std__wrong_order(batches):
    """Return the deviation first."""
    return _pixels(batches).std(1, correction=0), _pixels(batches).mean(1)
