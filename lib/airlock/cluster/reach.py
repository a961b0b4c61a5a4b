"""Which connections policies permit: rules of the admin tier in order, then NetworkPolicies together, then the baseline. For `prove` and `connections`.

Where it is not known whether a rule takes an end, there are two answers: what may be permitted (`upper`) and what surely is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from airlock.cluster.model import Model, bits
from airlock.cluster.ports import NamedPort
from airlock.cluster.rules import Action, Direction, Policy, Rule, Tier

__all__ = ["Reach", "Row"]

Row = Sequence[int]
"""For each bit of the space of ports, a set of ends."""

_Turned = tuple[dict[int, int], dict[int, dict[int, int]]]


@dataclass
class Reach:
    """Permitted connections of a model.

    Attributes:
        upper: Take everything for permitted that may be; else only what surely is.
        without: Rules that are passed over, as if they were not there.
    """

    model: Model
    upper: bool
    without: frozenset[Rule] = frozenset()
    _rows: dict[tuple[object, ...], Row] = field(default_factory=dict, repr=False)
    _turned: dict[tuple[Direction, int], _Turned] = field(default_factory=dict, repr=False)
    _parted: dict[tuple[int, int], dict[int, int]] = field(default_factory=dict, repr=False)
    _takers: dict[tuple[object, ...], list[list[tuple[Tier, Rule, int]]]] = field(default_factory=dict, repr=False)
    _matches: dict[Rule, list[tuple[int, int, int]]] = field(default_factory=dict, repr=False)

    def row(self, index: int, direction: Direction) -> Row:
        """Ends that policies at a class's own side let its pods send to (EGRESS), or be reached from (INGRESS)."""
        one = self.model.classes[index]
        if one.host_network:
            return self._memo((direction,), (), direction, index)
        policies = self.model.selecting[direction][index]
        return self._memo((direction, policies, self._named_ports(policies, direction, index)), policies, direction, index)

    def leaving(self, index: int) -> Row:
        """Ends that pods of a class may send to, as far as policies at their own side go."""
        return self.row(index, Direction.EGRESS)

    def entering(self, index: int) -> Row:
        """Ends that may send to pods of a class, as far as policies at their own side go."""
        return self.row(index, Direction.INGRESS)

    def between(self, source: int, target: int) -> int:
        """Mask of what pods of one class may send to pods of another."""
        model, out, into = self.model, self.leaving(source), self.entering(target)
        mask = 0
        for family in (0, 1):
            there, back = model.face(target, family), model.face(source, family)
            if there and back:
                mask |= sum(1 << atom for atom in range(len(out)) if out[atom] & there and into[atom] & back)
        return mask

    def takers(self, index: int, direction: Direction, atom: int) -> Sequence[tuple[Tier, Rule, int]]:
        """Rules at a class's side that take any end on some ports, in the order in which they are asked, each with the ends that it takes:
        surely, or maybe where the answer is the upper one.
        """
        policies = self.model.selecting[direction][index]
        key = (direction, policies, self._named_ports(policies, direction, index))
        found = self._takers.get(key)
        if found is None:
            found = self._takers[key] = [[] for _ in self.model.ports.atoms]
            for policy in policies:
                for rule in policy.rules:
                    if rule.direction is direction:
                        for mask, possible, certain in self._matched(rule, direction, index):
                            for one in bits(mask):
                                found[one].append((policy.tier, rule, possible if self.upper else certain))
        return found[atom]

    def rows(self) -> Iterator[tuple[int, Row]]:
        """For each class, the classes that its pods can reach, by bit of the space of ports: both sides permit it."""
        model, size = self.model, self.model.count
        accepts = [self.turned(Direction.INGRESS, family) for family in (0, 1)]
        for index in range(size):
            row = self.leaving(index)
            found = [0] * len(row)
            for family, (base, extra) in enumerate(accepts):
                if model.face(index, family):
                    out = self._parts(row, family)
                    for some in (base, extra.get(index, {})):
                        for atom, classes in some.items():
                            found[atom] |= out.get(atom, 0) & classes
            yield index, found

    def agreeing(self, index: int, atom: int, direction: Direction) -> int:
        """Faces of classes whose own side permits it: that accept from a class (EGRESS, its side) or may send to it (INGRESS)."""
        found = 0
        for family in (0, 1):
            if self.model.face(index, family):
                base, extra = self.turned(Direction.INGRESS if direction is Direction.EGRESS else Direction.EGRESS, family)
                found |= (base.get(atom, 0) | extra.get(index, {}).get(atom, 0)) << (family * self.model.count)
        return found & self.model.faces

    def turned(self, direction: Direction, family: int) -> _Turned:
        """Rows of one direction turned round: classes whose row has every face of a family in it, by bit of the ports; and those that have one
        class's in it beside, by that class.
        """
        if (direction, family) not in self._turned:
            self._turned[direction, family] = self._turn(direction, family)
        return self._turned[direction, family]

    def _turn(self, direction: Direction, family: int) -> _Turned:
        model, size = self.model, self.model.count
        everyone = (model.faces >> (family * size)) & ((1 << size) - 1)
        by_row: dict[int, tuple[Row, int]] = {}
        for index in range(size):
            row = self.row(index, direction)
            by_row[id(row)] = row, by_row.get(id(row), (row, 0))[1] | 1 << index
        by_atom: dict[int, dict[int, int]] = {}
        for row, classes in by_row.values():
            for atom, ends in self._parts(row, family).items():
                own = by_atom.setdefault(atom, {})
                own[ends] = own.get(ends, 0) | classes
        base: dict[int, int] = {}
        extra: dict[int, dict[int, int]] = {}
        for atom, some in by_atom.items():
            base |= {atom: some.pop(everyone)} if everyone in some else {}
            for ends, classes in some.items():
                for index in bits(ends):
                    beside = extra.setdefault(index, {})
                    beside[atom] = beside.get(atom, 0) | classes
        return base, extra

    def _parts(self, row: Row, family: int) -> dict[int, int]:
        """What of a row is faces of a family, as classes, by bit of the ports; rows live as long as this object."""
        key = (id(row), family)
        if key not in self._parted:
            size = self.model.count
            whole = ((1 << size) - 1) << (family * size)
            self._parted[key] = {atom: (ends & whole) >> (family * size) for atom, ends in enumerate(row) if ends & whole}
        return self._parted[key]

    # --- one side -----------------------------------------------------------------------------------------------------

    def _named_ports(self, policies: Iterable[Policy], direction: Direction, index: int) -> object:
        """The meaning of a named port is the target's own: where a policy at its side has one, what is known of the side is of its ports."""
        return self.model.classes[index].ports if direction is Direction.INGRESS and any(map(self._has_names, policies)) else ()

    def _memo(self, key: tuple[object, ...], policies: Iterable[Policy], direction: Direction, index: int) -> Row:
        found = self._rows.get(key)
        if found is None:
            found = self._rows[key] = self._asked(policies, direction, index)
        return found

    @staticmethod
    def _has_names(policy: Policy) -> bool:
        return any(isinstance(port, NamedPort) for rule in policy.rules for port in rule.ports or ())

    def _asked(self, policies: Iterable[Policy], direction: Direction, index: int) -> Row:
        """The three tiers, one after the other."""
        atoms, everyone = len(self.model.ports.atoms), self.model.everyone
        left, allowed = [everyone] * atoms, [0] * atoms
        policies = list(policies)
        for tier in Tier:
            own = [one for one in policies if one.tier is tier]
            rules = [rule for one in own for rule in one.rules if rule.direction is direction and rule not in self.without]
            if tier is Tier.NETWORK:
                if own:  # isolated: what no rule allows is denied, and the baseline is not asked
                    for atom, _, possible, certain in self._hits(rules, direction, index):
                        allowed[atom] |= left[atom] & (possible if self.upper else certain)
                    return allowed
            else:
                left = self._first_match(rules, direction, index, left, allowed)
        return [taken | rest for taken, rest in zip(allowed, left, strict=True)]

    def _first_match(
        self, rules: Iterable[Rule], direction: Direction, index: int, left: list[int], allowed: list[int]
    ) -> list[int]:
        """What a tier of ordered rules leaves to the next one; what it allows is added to `allowed`."""
        passed = [0] * len(left)
        for atom, rule, possible, certain in self._hits(rules, direction, index):
            taken = left[atom] & (possible if self.upper else certain)
            if rule.action is Action.ALLOW:
                allowed[atom] |= taken
            elif rule.action is Action.PASS:
                passed[atom] |= taken
            # What a rule only may take goes on in the upper answer, and is lost to the lower one.
            left[atom] &= ~(certain if self.upper else possible)
        return [rest | over for rest, over in zip(left, passed, strict=True)]

    def _hits(self, rules: Iterable[Rule], direction: Direction, index: int) -> Iterator[tuple[int, Rule, int, int]]:
        """(bit of the ports, rule, ends that it may take, ends that it surely takes), in order."""
        for rule in rules:
            for mask, possible, certain in self._matched(rule, direction, index):
                for atom in bits(mask):
                    yield atom, rule, possible, certain

    def _matched(self, rule: Rule, direction: Direction, index: int) -> list[tuple[int, int, int]]:
        """(mask, ends that a rule may take there, ends that it surely takes)."""
        found = self._matches.get(rule)
        if found is not None:
            return found
        certain, possible = self.model.ends(rule.peers)
        if rule.ports is None:
            found = [(self.model.ports.every, possible, certain)]
        else:
            plain, found = 0, []
            for port in rule.ports:
                if not isinstance(port, NamedPort):
                    plain |= self.model.ports.mask(port)
                elif direction is Direction.EGRESS:
                    found += self._named_targets(port, certain, possible)
                else:
                    found += self._named_here(port, index, certain, possible)
            found = _merged([*found, *([(plain, possible, certain)] if plain else [])])
        if direction is Direction.EGRESS or not any(isinstance(port, NamedPort) for port in rule.ports or ()):
            self._matches[rule] = found
        return found

    def _named_targets(self, port: NamedPort, certain: int, possible: int) -> Iterator[tuple[int, int, int]]:
        """A name means with each target what that target's containers say; with an address nothing."""
        model = self.model
        masks, unknown = model.named(port)
        for mask, classes in masks.items():
            faces = model.faces_of(classes)
            yield mask, possible & faces, certain & faces
        faces = model.faces_of(unknown)
        if faces & possible:
            yield self._of_protocol(port), possible & faces, 0

    def _named_here(self, port: NamedPort, index: int, certain: int, possible: int) -> Iterator[tuple[int, int, int]]:
        masks, unknown = self.model.named(port)
        if unknown >> index & 1:
            yield self._of_protocol(port), possible, 0
        for mask, classes in masks.items():
            if classes >> index & 1:
                yield mask, possible, certain

    def _of_protocol(self, port: NamedPort) -> int:
        space = self.model.ports
        return sum(1 << bit for bit, atom in enumerate(space.atoms) if port.protocol in ("", atom.protocol))


def _merged(found: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """One rule's matches with each bit of the ports in one entry: a rule takes an end once, by whichever of its ports."""
    by_atom: dict[int, tuple[int, int]] = {}
    for mask, possible, certain in found:
        for atom in bits(mask):
            before = by_atom.get(atom, (0, 0))
            by_atom[atom] = before[0] | possible, before[1] | certain
    masks: dict[tuple[int, int], int] = {}
    for atom, ends in by_atom.items():
        masks[ends] = masks.get(ends, 0) | 1 << atom
    return [(mask, possible, certain) for (possible, certain), mask in masks.items()]
