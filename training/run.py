"""All of `fenlei train` once its texts are read, as a story: choose a family, learn from answers, train, write."""

import time
from pathlib import Path

from training.choose import choose_family, self_train
from training.data.read import Example
from training.data.split import Splits
from training.distil import ask_teacher, share_kept
from training.families.encoder import keep_pieces
from training.judging.outcome import Trained
from training.judging.report import documents
from training.learning.fit import load_tensorflow
from training.learning.plan import Plan, Progress
from training.options import Options
from training.shipping import bundles
from training.shipping.needs import measured
from training.texts import Data
from training.train import train


def run(options: Options, plan: Plan, data: Data, progress: Progress) -> Trained:
    """Trains as planned and writes the bundle; gives what it came to, as it was written. Raises CommandError."""
    progress, plan = _controlled(progress, options), plan._replace(text_column=data.text_column)
    load_tensorflow(portable=options.model.checkpoint is None)  # an encoder trains three times as fast with oneDNN
    plan, vocabulary = _with_pieces(plan, data.splits, data.unlabelled, progress)
    learned = None
    if options.automatic:
        plan, learned, reason = choose_family(plan, data.splits, progress)
        progress.say(f"auto: {reason}")
    plan, splits, outcome = _taught(options.teacher, plan, data.splits, data.unlabelled, progress)
    trained = train(plan, splits, progress, learned if splits is data.splits else None)
    trained = trained._replace(settings=trained.settings | vocabulary | outcome | share_kept(trained, outcome))
    progress.step("measuring what it needs")
    written = bundles.write(measured(trained.bundle), documents(trained, data.audit), options.output)
    return trained._replace(bundle=written)


def _with_pieces(
    plan: Plan, splits: Splits, unlabelled: list[Example], progress: Progress
) -> tuple[Plan, dict[str, float]]:
    """The plan with the pieces of an encoder's vocabulary that the texts need, and what that changes."""
    seen, held_out = [*splits.train, *unlabelled], [*splits.dev, *splits.test]
    family, outcome = keep_pieces(plan.family, *([example.text for example in part] for part in (seen, held_out)))
    if outcome:
        progress.say(f"vocabulary: {outcome['pieces']:,.0f} of {outcome['pieces_of_the_checkpoint']:,.0f} pieces kept")
    return plan._replace(family=family), outcome


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
