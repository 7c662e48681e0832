"""Trees and proofs against published roots, a slow recursive reference, and damaged proofs."""

import hashlib
from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import verifier
from market.merkle import (
    EMPTY_ROOT,
    Frontier,
    Neighbour,
    ProofError,
    Tree,
    entry_leaf,
    leaf_hash,
    prove_absence,
    require_absence,
    require_consistency,
    require_inclusion,
    root_from_inclusion,
    root_of,
    sorted_set,
)

# The leaves and roots of the Certificate Transparency project's own tests (RFC 6962, 2.1).
PUBLIC_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
PUBLIC_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PUBLIC_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def data_of(count: int) -> list[bytes]:
    return [hashlib.sha256(n.to_bytes(4, "big")).digest()[: n % 33] for n in range(count)]


def test_published_roots_come_out() -> None:
    hashes = [leaf_hash(data) for data in PUBLIC_LEAVES]
    assert root_of([]).hex() == Frontier().root().hex() == Tree().root().hex() == PUBLIC_EMPTY
    for size, root in enumerate(PUBLIC_ROOTS, start=1):
        assert root_of(hashes[:size]).hex() == root
        assert Frontier().append(hashes[:size]).root().hex() == root
        assert Tree(hashes).root(size).hex() == root


# The proofs of the same tests: place and size, or old and new size; hashes by their first digits.
PUBLIC_HASHES = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
PUBLIC_PATHS = """
0 of 1
0 of 8  96a296d2 5f083f0a 6b47aaf2
5 of 8  bc1a0643 ca854ea1 d37ee418
2 of 3  fac54203
1 of 5  6e340b9c 5f083f0a bc1a0643
"""
PUBLIC_GROWTH = """
1 to 1
1 to 8  96a296d2 5f083f0a 6b47aaf2
6 to 8  0ebc5d34 ca854ea1 d37ee418
2 to 5  5f083f0a bc1a0643
"""


def published(text: str) -> list[tuple[int, int, tuple[bytes, ...]]]:
    by_digits = {one[:8]: bytes.fromhex(one) for one in PUBLIC_HASHES}
    rows = [line.split() for line in text.strip().splitlines()]
    return [(int(a), int(b), tuple(map(by_digits.__getitem__, rest))) for a, _, b, *rest in rows]


def test_published_proofs_come_out_and_hold_for_writer_and_verifier() -> None:
    leaves = [leaf_hash(data) for data in PUBLIC_LEAVES]
    tree, roots = Tree(leaves), [bytes.fromhex(root) for root in PUBLIC_ROOTS]
    for index, size, path in published(PUBLIC_PATHS):
        assert tree.inclusion(index, size) == path
        root = roots[size - 1]
        require_inclusion(leaves[index], index=index, size=size, path=path, root=root)
        assert verifier.root_by_path(leaves[index], index, size, path) == root
    for old, size, proof in published(PUBLIC_GROWTH):
        assert tree.consistency(old, size) == proof
        before, after = (old, roots[old - 1]), (size, roots[size - 1])
        require_consistency(old_size=old, old_root=before[1], size=size, root=after[1], proof=proof)
        assert verifier.is_consistent(before, after, proof)


def test_every_proof_equals_the_slow_reference_and_holds(slow_merkle: ModuleType) -> None:
    data = data_of(34)
    tree = Tree(map(leaf_hash, data))
    for size in range(1, len(data) + 1):
        part = data[:size]
        root = slow_merkle.mth(part)
        assert tree.root(size) == root
        for index in range(size):
            path = tree.inclusion(index, size)
            assert list(path) == slow_merkle.path(index, part)
            leaf = leaf_hash(data[index])
            require_inclusion(leaf, index=index, size=size, path=path, root=root)
        for old in range(1, size + 1):
            proof = tree.consistency(old, size)
            assert list(proof) == slow_merkle.proof(old, part)
            require_consistency(
                old_size=old, old_root=tree.root(old), size=size, root=root, proof=proof
            )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=12))
def test_growing_in_any_portions_gives_one_root(portions: list[int]) -> None:
    hashes = [leaf_hash(data) for data in data_of(sum(portions))]
    frontier, tree, at = Frontier(), Tree(), 0
    for portion in portions:
        frontier = frontier.append(hashes[at : at + portion])
        tree.append(hashes[at : at + portion])
        at += portion
        assert frontier == Frontier.from_json(frontier.as_json())
    assert frontier.root() == tree.root() == root_of(hashes)


def flipped(raw: bytes) -> bytes:
    return bytes([raw[0] ^ 1]) + raw[1:]


def damaged(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Proofs that are not the given one: shortened, lengthened, turned round, one bit flipped."""
    found = [(*proof, bytes(32)), (bytes(32), *proof), (*proof, *proof[-1:])]
    found += [proof[:-1], proof[1:], proof[::-1]]
    found += [(*proof[:n], flipped(proof[n]), *proof[n + 1 :]) for n in range(len(proof))]
    return [one for one in found if one != proof]


def test_no_damaged_path_includes_anything() -> None:
    hashes = [leaf_hash(data) for data in data_of(21)]
    tree, refused = Tree(hashes), 0
    for size in (1, 2, 3, 7, 8, 9, 16, 21):
        root = tree.root(size)
        for index in range(size):
            path = tree.inclusion(index, size)
            lies = [(hashes[index], index, size, one) for one in damaged(path)]
            lies += [(hashes[index], other, size, path) for other in range(size) if other != index]
            lies += [(hashes[index], index, wrong, path) for wrong in (0, -1)]
            lies += [(flipped(hashes[index]), index, size, path)]
            lies += [(hashes[index], wrong, size, path) for wrong in (-1, size, size + 1)]
            for leaf, place, count, proof in lies:
                with pytest.raises(ProofError):
                    require_inclusion(leaf, index=place, size=count, path=proof, root=root)
                refused += 1
    assert refused > 1_000


def test_no_damaged_proof_shows_growth() -> None:
    hashes = [leaf_hash(data) for data in data_of(21)]
    tree, refused = Tree(hashes), 0
    for size in (2, 3, 7, 8, 9, 16, 21):
        for old in range(1, size + 1):
            proof, roots = tree.consistency(old, size), (tree.root(old), tree.root(size))
            lies = [(old, roots[0], size, roots[1], one) for one in damaged(proof)]
            lies += [(0, EMPTY_ROOT, size, roots[1], ()), (0, roots[0], size, roots[1], proof)]
            lies += [(old, flipped(roots[0]), size, roots[1], proof)]
            lies += [(old, roots[0], size, flipped(roots[1]), proof)]
            if old != size:
                lies += [
                    (old, roots[1], size, roots[0], proof),
                    (size, *roots[:1], old, roots[1], proof),
                ]
            for old_size, old_root, count, root, one in lies:
                with pytest.raises(ProofError):
                    require_consistency(
                        old_size=old_size, old_root=old_root, size=count, root=root, proof=one
                    )
                refused += 1
    assert refused > 600


def test_proofs_that_would_prove_nothing_are_not_made() -> None:
    tree = Tree(leaf_hash(data) for data in data_of(5))
    for old, size in ((0, 5), (6, 5), (1, 6), (-1, 5)):
        with pytest.raises(ProofError):
            tree.consistency(old, size)
    for index, size in ((5, 5), (-1, 5), (0, 6), (0, 0)):
        with pytest.raises(ProofError):
            tree.inclusion(index, size)
    with pytest.raises(ProofError, match="4 hashes, allowed 2"):
        Frontier(5, (bytes(32),) * 4)


@settings(max_examples=150, deadline=None)
@given(
    st.sets(st.binary(min_size=32, max_size=32), max_size=20), st.binary(min_size=32, max_size=32)
)
def test_absence_is_proven_by_neighbours(leaves: set[bytes], missing: bytes) -> None:
    rising = sorted_set(leaves)
    if missing in leaves:
        with pytest.raises(ProofError):
            prove_absence(rising, missing)
        return
    beside = prove_absence(rising, missing)
    require_absence(missing, size=len(rising), root=root_of(rising), neighbours=beside)
    assert len(beside) == min(len(rising), 2) or len(beside) == 1


def test_absence_of_what_is_there_cannot_be_proven() -> None:
    rising = sorted_set(leaf_hash(data) for data in data_of(9))
    tree, root = Tree(rising), root_of(rising)
    beside = [Neighbour(leaf, n, tree.inclusion(n)) for n, leaf in enumerate(rising)]
    for n, leaf in enumerate(rising):
        lies = [(), beside[:1], beside[-1:], (beside[n],), beside[:2], beside[-2:]]
        lies += [(beside[n - 1], beside[n + 1])] if 0 < n < len(rising) - 1 else []
        for lie in lies:
            with pytest.raises(ProofError):
                require_absence(leaf, size=len(rising), root=root, neighbours=lie)
    with pytest.raises(ProofError):
        require_absence(bytes(32), size=0, root=root, neighbours=())


def test_a_set_has_no_duplicates_and_rises() -> None:
    rising = sorted_set(leaf_hash(data) for data in data_of(9))
    assert all(left < right for left, right in pairwise(rising))
    with pytest.raises(ProofError, match="twice"):
        sorted_set([*rising, rising[3]])


def test_a_leaf_is_salted_and_of_fixed_layout() -> None:
    salt, digest, signature = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 65
    expected = hashlib.sha256(b"\x00" + b"\x01\x06" + salt + digest + signature).digest()
    assert entry_leaf(6, salt, digest, signature) == expected
    for wrong in (
        (salt[:31], digest, b""),
        (salt, digest[:31], b""),
        (salt, digest, signature[:64]),
    ):
        with pytest.raises(ProofError, match="allowed 32, 32 and 65 each"):
            entry_leaf(6, *wrong)


def test_a_path_of_the_wrong_length_says_what_was_allowed() -> None:
    with pytest.raises(ProofError, match="0 hashes, allowed more"):
        root_from_inclusion(bytes(32), index=0, size=2, path=())
    with pytest.raises(ProofError, match="2 hashes, allowed 1"):
        root_from_inclusion(bytes(32), index=0, size=2, path=(bytes(32),) * 2)
