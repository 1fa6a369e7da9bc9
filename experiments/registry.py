"""The claims by name: what `simlab list` prints, known without importing JAX."""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from experiments.claim import Claim, UsageError


@dataclass(frozen=True)
class Entry:
    """A claim's line in the list; its code is the module of the same name."""

    paper: str
    statement: str
    minutes: Mapping[str, str]  # usual minutes of each preset on two cores


CLAIMS: Mapping[str, Entry] = {
    "tradeoff_penalty": Entry(
        paper="Chen et al. 2025, Case I",
        statement=(
            "transformers fine-tuned with a penalty on proxy safety data reach, and "
            "never cross, the exact safety-capability frontier"
        ),
        minutes={"smoke": "1", "laptop": "3 to 5", "accelerator": "not measured"},
    ),
    "tradeoff_ball": Entry(
        paper="Chen et al. 2025, Case II",
        statement=(
            "a ball around the aligned parameters keeps every bound on safety and pays "
            "kappa times more safety than the penalty for the same small gain"
        ),
        minutes={"smoke": "1", "laptop": "2 to 3", "accelerator": "not measured"},
    ),
    "tradeoff_overlap": Entry(
        paper="Chen et al. 2025, Case I",
        statement=(
            "the more contexts safety and capability data share, the worse the exact "
            "frontier, and transformers follow it along the whole knob"
        ),
        minutes={"smoke": "1", "laptop": "2 to 4", "accelerator": "not measured"},
    ),
    "tradeoff_length": Entry(
        paper="Chen et al. 2025, Case I",
        statement=(
            "the longer the sequences, the more a model pays that cannot remember its "
            "source; a transformer stays under a cap that no length lifts"
        ),
        minutes={"smoke": "1", "laptop": "2 to 4", "accelerator": "not measured"},
    ),
    "tradeoff_proxy": Entry(
        paper="Chen et al. 2025, Cases I and II",
        statement=(
            "a proxy's distance sets the safety floor and the price of Case I, and "
            "beyond a predicted distance a ball of parameters (Case II) is safer"
        ),
        minutes={"smoke": "1", "laptop": "3 to 5", "accelerator": "not measured"},
    ),
    "safety_basin": Entry(
        paper="Chen et al. 2025, Case II; Peng et al. 2024",
        statement=(
            "the safety basin is a parabola of the Fisher matrix: random directions "
            "overstate the radius that Case II can allow"
        ),
        minutes={"smoke": "1", "laptop": "2 to 3", "accelerator": "not measured"},
    ),
    "elasticity_law": Entry(
        paper="Ji et al. 2025, Theorem 4.2",
        statement=(
            "in a jointly compressed model alignment gives way k times what "
            "pre-training gains, exactly; closed forms give signs, sizes and the flip"
        ),
        minutes={"smoke": "1", "laptop": "1 to 3", "accelerator": "not measured"},
    ),
    "compression_is_loss": Entry(
        paper="Ji et al. 2025, preliminaries",
        statement=(
            "the arithmetic code of held-out messages is as long as the model's "
            "cross-entropy on them, to 2 bits a code, along training, for three sizes"
        ),
        minutes={"smoke": "1", "laptop": "2", "accelerator": "not measured"},
    ),
    "elasticity_springs": Entry(
        paper="Ji et al. 2025, Theorem 4.2",
        statement=(
            "at polished joint optima of transformers the forces of all data and of "
            "weight decay balance, and so alignment moves k times as far, decay counted"
        ),
        minutes={"smoke": "1", "laptop": "5 to 8", "accelerator": "not measured"},
    ),
    "resistance": Entry(
        paper="Ji et al. 2025, section 5.1",
        statement=(
            "under SGD, going back to an earlier slice of fine-tuning costs less loss "
            "than going on to a later one, once the answers' own entropy is taken off"
        ),
        minutes={"smoke": "1", "laptop": "2 to 4", "accelerator": "not measured"},
    ),
    "rebound": Entry(
        paper="Ji et al. 2025, 5.2 and Table 3",
        statement=(
            "the further a transformer was aligned, the faster it first comes back, on "
            "a falling share of the data; but more data never needs less to undo"
        ),
        minutes={"smoke": "1", "laptop": "2 to 4", "accelerator": "not measured"},
    ),
    "elasticity_scale": Entry(
        paper="Ji et al. 2025, 5.3",
        statement=(
            "at one speed of alignment, larger and longer pre-trained transformers "
            "come back on fewer responses for each nat they were aligned by"
        ),
        minutes={"smoke": "1", "laptop": "5 to 8", "accelerator": "not measured"},
    ),
    "elasticity_memory": Entry(
        paper="Ji et al. 2025, elasticity against saturation",
        statement=(
            "what dominated pre-training comes back cheaper than saturating log-odds "
            "allow, and the way slows where the base says, but only in part"
        ),
        minutes={"smoke": "1", "laptop": "5 to 8", "accelerator": "not measured"},
    ),
    "security_vectors": Entry(
        paper="Zhou et al. 2023",
        statement=(
            "a vector fitted on 100 harmful samples, on while 1,000 are trained on and "
            "off after, keeps a transformer from learning them, and nothing else"
        ),
        minutes={"smoke": "1", "laptop": "4 to 6", "accelerator": "not measured"},
    ),
    "unlearnability_bound": Entry(
        paper="Zhou et al. 2023; security-vector notes, theorems 2 and 3",
        statement=(
            "under SGD on explained harm no path crosses its bound at any step: near "
            "in softmax-linear models; in transformers by their measured separations"
        ),
        minutes={"smoke": "1", "laptop": "3 to 5", "accelerator": "not measured"},
    ),
    "bridge_effective_volume": Entry(
        paper="Zhou et al. 2023 and Ji et al. 2025; security-vector notes, theorem 7",
        statement=(
            "under SGD, n_h harmful responses beside a security vector first do what "
            "kappa_H n_h do without it; under Adam they do more, as kappa_H falls"
        ),
        minutes={"smoke": "1", "laptop": "3 to 6", "accelerator": "not measured"},
    ),
    "arena": Entry(
        paper="Zhou et al. 2023; Chen et al. 2025; the papers of the defences",
        statement=(
            "whatever the defence and the attack, no model crosses the exact frontier; "
            "in the worst case a security vector beats none and a random one, at 10 % "
            "of capability lost at most"
        ),
        minutes={"smoke": "1", "laptop": "9 to 16", "accelerator": "not measured"},
    ),
    "security_vectors_samples": Entry(
        paper="Zhou et al. 2023",
        statement=(
            "the more harmful samples a security vector is fitted on, the less unseen "
            "harm it leaves unexplained, and 100 are enough against 1,000"
        ),
        minutes={"smoke": "1", "laptop": "3 to 6", "accelerator": "not measured"},
    ),
    "security_vectors_dose": Entry(
        paper="Zhou et al. 2023",
        statement=(
            "half a security vector leaves nearly all harm unexplained and yet stops "
            "most of its learning; the whole one stops nearly all"
        ),
        minutes={"smoke": "1", "laptop": "3 to 6", "accelerator": "not measured"},
    ),
    "security_vectors_rank_and_placement": Entry(
        paper="Zhou et al. 2023",
        statement=(
            "a vector of rank 1 on all matrices protects as rank 8 does; one that acts "
            "on some matrices only leaves more harm unexplained"
        ),
        minutes={"smoke": "1", "laptop": "3 to 6", "accelerator": "not measured"},
    ),
    "security_vectors_generalisation": Entry(
        paper="Zhou et al. 2023",
        statement=(
            "a security vector stops its own harm in contexts it never saw, and slows "
            "the learning of another harm less"
        ),
        minutes={"smoke": "1", "laptop": "3 to 6", "accelerator": "not measured"},
    ),
    "security_vectors_carriers": Entry(
        paper="Zhou et al. 2023",
        statement=(
            "of vectors in matrices, biases, prefixes and directions, fitted alike, "
            "the low-rank one best stops harm and leaves the rest to be learned"
        ),
        minutes={"smoke": "1", "laptop": "3 to 6", "accelerator": "not measured"},
    ),
    "security_vectors_minmin": Entry(
        paper="Zhou et al. 2023",
        statement=(
            "a min-min with a simulated user leaves more harm unexplained at the true "
            "base than a plain vector, and protects no better"
        ),
        minutes={"smoke": "1", "laptop": "3 to 6", "accelerator": "not measured"},
    ),
    "security_vectors_optimizer": Entry(
        paper="Zhou et al. 2023; security-vector notes theorems 3' and 4",
        statement=(
            "at stable rates a vector holds SGD's drift back and not Adam's, unless "
            "its eps is large; the larger the dose, the longer a model stays safe"
        ),
        minutes={"smoke": "1", "laptop": "4 to 6", "accelerator": "not measured"},
    ),
}


def entry(name: str) -> Entry:
    """The entry of a claim. Errors: UsageError naming the closest claim."""
    if name not in CLAIMS:
        near = difflib.get_close_matches(name, CLAIMS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(CLAIMS)}"
        raise UsageError(f"claim {name!r} does not exist; {hint}")
    return CLAIMS[name]


def load(name: str) -> Claim:
    """A claim's module, imported now."""
    entry(name)
    return cast(Claim, importlib.import_module(f"experiments.{name}"))
