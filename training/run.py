"""All of `fenlei train` once its texts are read, as a story: choose a family, learn from answers, train, write."""

import math
import time
from pathlib import Path

from training.choose import gain, name_of, self_train, smallest_of_the_best, try_families
from training.data.read import Example
from training.data.split import Splits
from training.distil import ask_teacher, share_kept
from training.errors import WorkError
from training.families.encoder import keep_pieces
from training.judging.outcome import Trained
from training.judging.report import documents
from training.learning.fit import load_tensorflow
from training.learning.job import Family
from training.learning.plan import Plan, Progress
from training.options import Options, candidates
from training.shipping import bundles
from training.shipping.convert import BYTES
from training.shipping.needs import measured
from training.texts import Data
from training.train import Learned, train


def run(options: Options, plan: Plan, data: Data, progress: Progress) -> Trained:
    """Trains as planned and writes the bundle; gives what it came to, as it was written. Raises CommandError."""
    progress, plan = _controlled(progress, options), plan._replace(text_column=data.text_column)
    load_tensorflow(portable=options.model.checkpoint is None)  # an encoder trains three times as fast with oneDNN
    plan, vocabulary = _with_pieces(options, plan, data, progress)
    trained = (_chosen if options.automatic else _trained)(options, plan, data, progress)
    if trained.bundle.manifest.family == plan.family.name:
        trained = trained._replace(settings=trained.settings | vocabulary)
    progress.step("measuring what it needs")
    written = bundles.write(measured(trained.bundle), documents(trained, data.audit), options.output)
    return trained._replace(bundle=written)


def _with_pieces(options: Options, plan: Plan, data: Data, progress: Progress) -> tuple[Plan, dict[str, float]]:
    """The plan with the pieces of an encoder's vocabulary that the texts need, and what that changes."""
    splits, room = data.splits, _most_bytes(options) / BYTES[plan.quantization]
    seen = [example.text for example in (*splits.train, *data.unlabelled)]
    held_out = [example.text for example in (*splits.dev, *splits.test)]
    family, outcome = keep_pieces(plan.family, seen, held_out, room)
    if outcome:
        progress.say(f"vocabulary: {outcome['pieces']:,.0f} of {outcome['pieces_of_the_checkpoint']:,.0f} pieces kept")
    return plan._replace(family=family), outcome


def _chosen(options: Options, plan: Plan, data: Data, progress: Progress) -> Trained:
    """The family that is to be taken of those that may be, trained: no larger, as converted, than is wanted."""
    most = _most_bytes(options)
    tried = try_families(plan, _families(options, plan, progress), data.splits, progress)
    while tried:
        taken, reason = smallest_of_the_best(tried)
        progress.say(f"auto: {reason}")
        trained = _trained(options, plan._replace(family=taken.job.family), data, progress, taken)
        size = bundles.shipped_bytes(trained.bundle)
        if size <= most:
            if said := gain(taken, tried, size):
                progress.say(f"auto: {said}")
            return trained
        progress.say(f"auto: {name_of(taken)} makes a bundle of {size / 1e6:.1f} MB, more than --max-megabytes")
        tried = [one for one in tried if one is not taken]
    raise WorkError(f"No family makes a bundle of {most / 1e6:g} MB or less of these texts; give more --max-megabytes.")


def _families(options: Options, plan: Plan, progress: Progress) -> list[Family]:
    """The families to choose from: of an encoder it is known before it is trained if it is too large."""
    small, family = candidates(options.model), plan.family
    if family.pretrained is None:
        return small
    size = BYTES[plan.quantization] * family.pretrained.checkpoint.parameters
    if size <= _most_bytes(options):
        return [*small, family]
    progress.warn(
        f"the encoder takes {size / 1e6:.0f} MB or more, which is over --max-megabytes, and is left out; keep fewer "
        "--layers or --pieces of it"
    )
    return small


def _most_bytes(options: Options) -> float:
    return math.inf if options.model.megabytes is None else options.model.megabytes * 1e6


def _trained(options: Options, plan: Plan, data: Data, progress: Progress, learned: Learned | None = None) -> Trained:
    """What is trained of the plan's family, on a teacher's answers or its own if that is wanted."""
    plan, splits, outcome = _taught(options.teacher, plan, data.splits, data.unlabelled, progress)
    trained = train(plan, splits, progress, learned if splits is data.splits else None)
    return trained._replace(settings=trained.settings | outcome | share_kept(trained, outcome))


def _taught(
    teacher: Path | None, plan: Plan, splits: Splits, unlabelled: list[Example], progress: Progress
) -> tuple[Plan, Splits, dict[str, float]]:
    """The plan and splits with what a teacher says, or else the model itself of unlabelled texts; what came of it."""
    if teacher:
        return ask_teacher(teacher, plan, splits, unlabelled, progress)
    if not unlabelled:
        return plan, splits, {}
    splits, outcome = self_train(plan, splits, unlabelled, progress)
    progress.say(f"self-training: {outcome}")
    return plan, splits, outcome


def _controlled(progress: Progress, options: Options) -> Progress:
    """The progress with what the options say of watching and stopping; their time budget begins now."""
    controls = progress.controls._replace(
        deadline=time.monotonic() + options.time_budget, log_directory=options.log_directory, checkpoint=options.resume
    )
    return progress._replace(controls=controls)
