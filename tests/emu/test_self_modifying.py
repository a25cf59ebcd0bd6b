"""Code that patches the instruction behind it: what the prefetch queue decides on an i386, and every later
processor does at once (SDM vol. 3, 11.6).
"""

import pytest
from bare import UCODE_AT, Bare, asm

INT80 = b"\xcd\x80"
#: Stores into the byte at (%edi), with what it must hold after so many times, from 0x11.
STORES = {
    b"\x80\x37\x7f": lambda n: 0x11 ^ 0x7F * (n & 1),  # xorb $0x7f, (%edi)
    b"\x80\x07\x03": lambda n: 0x11 + 3 * n,  # addb $3, (%edi)
    b"\xf0\xfe\x07": lambda n: 0x11 + n,  # lock incb (%edi)
    b"\xf6\x17": lambda n: 0x11 ^ 0xFF * (n & 1),  # notb (%edi)
    b"\xf0\xf6\x1f": lambda n: (0x11 if n % 2 == 0 else -0x11) & 0xFF,  # lock negb (%edi)
    b"\x88\x17": lambda n: n,  # movb %dl, (%edi)
    b"\x86\x17": lambda n: n,  # xchgb %dl, (%edi), of which %edx is then set anew
    b"\xc0\x07\x01": lambda n: (0x11 << n % 8 | 0x11 >> (8 - n % 8)) & 0xFF,  # rolb $1, (%edi)
}


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize("timing", ["off", "i486", "i386"])
@pytest.mark.parametrize("stepped", [False, True], ids=["whole", "stepped"])
@pytest.mark.parametrize("store", STORES, ids=bytes.hex)
def test_the_patched_instruction_is_the_one_that_runs(
    store: bytes, stepped: bool, timing: str, native: bool
) -> None:
    for times in (1, 2, 3, 40):
        bare = Bare(native=native, timing=timing)
        loop = b"\x43\x89\xda" + store  # incl %ebx; movl %ebx, %edx
        behind = b"\xb8\x11\x00\x00\x00\x01\xc6"  # movl $0x11, %eax; addl %eax, %esi
        head = asm(f"movl $0x{times:x},%ecx")
        body = loop + behind
        bare.cpu.ebx = bare.cpu.esi = 0
        bare.cpu.edi = UCODE_AT + len(head) + len(loop) + 1
        bare.code(head + body + b"\xe2" + bytes((256 - len(body) - 2,)) + INT80)
        while not bare.deliveries:
            bare.machine.step() if stepped else bare.run()
        values = [STORES[store](n) for n in range(1, times + 1)]
        assert bare.cpu.eax == values[-1]
        assert bare.cpu.esi == sum(values)
        assert bare.cpu.retired == 2 + times * 6


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize("timing", ["off", "i486"])
def test_an_encoder_that_finds_itself(timing: str, native: bool) -> None:
    """FNSTENV tells where the last x87 instruction was; from there the code behind is decoded."""
    bare = Bare(native=native, timing=timing)
    secret = bytes(
        byte ^ 0x5A for byte in b"\xb8\x0d\x60\x00\x00" + INT80
    )  # movl $0x600d, %eax; int
    finder = b"\xd9\xee\xd9\x74\x24\xf4\x5f"  # fldz; fnstenv -12(%esp); popl %edi
    decoder = b"\xb1" + bytes((len(secret),)) + b"\x80\x77\x13\x5a\x47\xe2\xf9"
    assert len(finder + decoder) == 16
    decoder = decoder.replace(b"\x77\x13", b"\x77\x10")  # xorb $0x5a, 16(%edi)
    bare.cpu.ecx = 0
    bare.code(finder + decoder + secret)
    while not bare.deliveries:
        bare.run()
    assert bare.deliveries[0].vector == 0x80
    assert bare.cpu.eax == 0x600D
