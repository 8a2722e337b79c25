"""Every check by name: what it asks, its version, how serious it is. A version grows when a check gets stricter."""

from dataclasses import dataclass

from harness.kit.result import Severity


@dataclass(frozen=True, slots=True)
class Check:
    """A question that is asked of a cell's layer, or of a task."""

    name: str
    question: str
    severity: Severity = "error"
    version: int = 1


LAYER = (
    Check("runs at all", "Can it be built and called without raising?"),
    Check("vocabulary", "Does the step use nothing outside `harness.ops`, and return what `states` declares?"),
    Check("initial weights", "Are the initial weights and states finite, in the declared shapes?"),
    Check("examples", "Does the step compute what independent sources computed with this cell?"),
    Check("derivative", "Does autograd's derivative in float64 equal finite differences?"),
    Check("forms", "Have outputs, states and parameters the contract's shapes, number formats and device?"),
    Check("outputs", "Do y and the final states agree with the equation, on every shape?"),
    Check("gradients", "Do the gradients of x and of the initial states?"),
    Check("parameter gradients", "Do the gradients of every parameter?"),
    Check("float64", "Does all of it agree in float64 too, to a millionth of what float32 may differ by?"),
    Check("chunks equal the whole", "Do two calls that hand the state on compute what one call does?"),
    Check("batch rows are independent", "Does a row compute the same in another place, and without its neighbours?"),
    Check("the future never changes the past", "Does another x from a step on change no y before it?"),
    Check("calls are independent", "Does a call compute the same whatever was called before?"),
    Check("calls may precede a backward", "May a second call come between forward and backward?"),
    Check("backward may run twice", "Does a second backward through the same graph give the same?"),
    Check("inputs may have any layout", "Do strided and expanded inputs compute what contiguous ones do?"),
    Check("cotangents may have any layout", "Do strided and expanded incoming gradients?"),
    Check("gradients may be unwanted", "May x and states be constants, or all be under `no_grad`?"),
    Check("nothing is overwritten", "Are inputs, incoming gradients and weights left as they are?"),
    Check("outputs alias nothing", "Is the memory of every output its own?"),
    Check("twice in one graph", "May a layer be called twice within one graph, and get the gradients of both calls?"),
    Check("repeatable", "Does the same call give the same bits?"),
    Check("seeds are untouched", "Are the global random generators left as they are?"),
    Check(
        "the state matters", "Does another initial state, each of them, change outputs, and get a gradient?", version=2
    ),
    Check("every parameter learns", "Does a gradient that is not zero reach every parameter?", "warning"),
    Check("state_dict", "Does a layer with another's state_dict compute what that one does?"),
    Check("train and eval", "Does it compute the same in both modes?"),
)
TASK = (
    Check("problem", "Are the metrics named, is the criterion one of them, are the sizes at least 1?"),
    Check("batches", "Have x, target and mask the shapes, number formats and ranges that the problem declares?"),
    Check("sizes", "Has a batch as many examples as were asked for, and an examination too?"),
    Check("repeatable", "Do equal generators give equal batches?"),
    Check("batches differ", "Do different generators give different ones?"),
    Check("calls are independent", "Is a batch the same whatever was drawn before?"),
    Check("seeds are untouched", "Are the global random generators left as they are?"),
    Check("scores add up", "Has a batch the score of its examples, in any order?"),
    Check("the right answer is best", "Has a prediction of the target the best score, and is it counted as solved?"),
    Check(
        "the baseline has no memory",
        "Does a predictor without memory, simulated, score what `baseline` says?",
        version=2,
    ),
    Check("the baseline solves nothing", "Does the baseline's score miss the criterion?"),
    Check("one answer a question", "Have equal inputs equal targets?"),
    Check("answers belong to their questions", "Has any target to do with its own input?", "warning"),
    Check("splits are apart", "Has a task with data of its own no test example in training or validation?"),
)
