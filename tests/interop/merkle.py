"""Checks the audit's proofs by the RFCs alone, in plain Python.

Hashes and proofs: RFC 6962 section 2.1 and RFC 9162 section 2.1. Signatures: RFC 8032 section 5.1, in
C2SP signed notes. Takes one JSON document on standard input, answers with one on standard output.
"""

import base64
import hashlib
import json
import sys
from functools import lru_cache


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def included(leaf, index, size, proof, root):
    """RFC 9162 section 2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def consistent(first, second, proof, first_root, second_root):
    """RFC 9162 section 2.1.4.2; equal trees need no proof."""
    if first == second:
        return not proof and first_root == second_root
    if not 0 < first < second or not proof:
        return False
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first_root and sr == second_root


class Tree:
    """The definition of the tree hash, RFC 6962 section 2.1."""

    def __init__(self, leaves):
        self.leaves = leaves

    @lru_cache(maxsize=None)
    def over(self, start, end):
        if end - start == 1:
            return self.leaves[start]
        split = 1
        while split * 2 < end - start:
            split *= 2
        return node_hash(self.over(start, start + split), self.over(start + split, end))

    def root(self, size):
        return self.over(0, size)


# Ed25519, RFC 8032 section 5.1, as in its appendix A: slow and plain.
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = f - e, d - c, d + c, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point(encoded):
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P)
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P != 0:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - xx) % P != 0 or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(public, message, signature):
    a, r = point(public), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= Q:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % Q
    return same(times(s, BASE), add(r, times(h, a)))


def opened(note, verifier_key, check_signature=True):
    """The size and root that a checkpoint vouches for; None unless this key signed it."""
    name, key_id, encoded = verifier_key.split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    expected_id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    if key[:1] != b"\x01" or expected_id.hex() != key_id:
        return None
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    origin, size, root = text.split("\n")[:3]
    for line in signatures.splitlines():
        dash, signer, blob = line.split(" ")
        blob = base64.b64decode(blob, validate=True)
        if (dash, signer, blob[:4]) == ("\u2014", name, expected_id) and origin == name:
            if not check_signature or signed(key[1:], text.encode(), blob[4:]):
                return int(size), base64.b64decode(root, validate=True)
    return None


def forged(hashes):
    """Proofs that must not pass: one hash changed, one too few, one too many."""
    for i in range(len(hashes)):
        yield hashes[:i] + [hashlib.sha256(hashes[i]).digest()] + hashes[i + 1 :]
        yield hashes[:i] + hashes[i + 1 :]
    yield hashes + [hashlib.sha256(b"one more").digest()]


def main():
    question = json.load(sys.stdin)
    key = question["verifier_key"]
    entries = [entry.encode() for entry in question["entries"]]
    tree = Tree([leaf_hash(entry) for entry in entries])
    faults, accepted, forgeries = [], [], 0

    head = opened(question["checkpoint"], key)
    if head is None or head[0] > len(entries) or tree.root(head[0]) != head[1]:
        faults.append("the latest checkpoint")
    if opened(question["checkpoint"].replace("\n", "\n1", 1), key) is not None:
        accepted.append("a checkpoint with another size")

    for n, proof in enumerate(question["inclusions"]):
        seq, hashes = proof["seq"], [bytes.fromhex(it) for it in proof["hashes"]]
        # Each signature costs some milliseconds here.
        head = opened(proof["checkpoint"], key, check_signature=n % 16 == 0)
        if head is None or head[0] != proof["tree_size"]:
            faults.append(f"checkpoint of inclusion {seq}")
            continue
        size, root = head
        leaf = tree.leaves[seq]
        if proof["leaf"] != leaf.hex() or not included(leaf, seq, size, hashes, root):
            faults.append(f"inclusion {seq} in {size}")
        for other in (seq - 1, seq + 1):
            forgeries += 1
            if 0 <= other and included(leaf, other, size, hashes, root):
                accepted.append(f"inclusion of {seq} as {other}")
        if n % 16 == 0:
            for wrong in forged(hashes):
                forgeries += 1
                if included(leaf, seq, size, wrong, root):
                    accepted.append(f"a forged inclusion of {seq}")

    for n, proof in enumerate(question["consistencies"]):
        first, second = proof["from"], proof["to"]
        hashes = [bytes.fromhex(it) for it in proof["hashes"]]
        if opened(proof["checkpoint"], key, check_signature=n % 16 == 0) is None:
            faults.append(f"checkpoint of consistency {first}, {second}")
        old, new = tree.root(first), tree.root(second)
        if not consistent(first, second, hashes, old, new):
            faults.append(f"consistency {first}, {second}")
        for wrong in forged(hashes):
            forgeries += 1
            if consistent(first, second, wrong, old, new):
                accepted.append(f"a forged consistency {first}, {second}")

    answer = {
        "faults": faults,
        "inclusions": len(question["inclusions"]),
        "consistencies": len(question["consistencies"]),
        "forgeries": forgeries,
        "accepted_forgeries": accepted,
    }
    json.dump(answer, sys.stdout)


main()
