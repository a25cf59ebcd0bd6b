"""Instructions and registers of CPUs that came after the Pentium III, to say so of them (SDM vol. 2; AMD64
Architecture Programmer's Manual, vol. 3 and 5)."""

# ruff: noqa: SIM905 - a table of words
from __future__ import annotations

import re
from typing import Final

from .mnemonics import EXACT

HINT: Final = "this machine is an i386 to Pentium III: it has no instructions that came later"
_NAMES: Final = frozenset(
    """
    adcx addsubpd addsubps adox aesdec aesdeclast aesenc aesenclast aesimc aeskeygenassist andn
    bextr blendpd blendps blendvpd blendvps blsi blsmsk blsr bndcl bndcn bndcu bndldx bndmk bndmov
    bndstx bzhi clac cldemote clflushopt clgi clrssbsy clwb clzero cmpxchg16b crc32 dppd dpps encls
    enclu enqcmd extractps extrq femms fisttp getsec gf2p8affineinvqb gf2p8affineqb gf2p8mulb haddpd
    haddps hsubpd hsubps incssp insertps insertq invept invlpga invpcid invvpid lddqu llwpcb lwpins
    lwpval lzcnt monitor monitorx montmul movbe movddup movdir64b movdiri movntdqa movntsd movntss
    movshdup movsldup mpsadbw mulx mwait mwaitx pabsb pabsd pabsw packusdw palignr pavgusb pblendvb
    pblendw pclmulhqhqdq pclmulhqlqdq pclmullqhqdq pclmullqlqdq pclmulqdq pcmpeqq pcmpestri
    pcmpestrm pcmpgtq pcmpistri pcmpistrm pconfig pdep pext pextrb pextrd pf2id pf2iw pfacc pfadd
    pfcmpeq pfcmpge pfcmpgt pfmax pfmin pfmul pfnacc pfpnacc pfrcp pfrcpit1 pfrcpit2 pfrsqit1
    pfrsqrt pfsub pfsubr phaddd phaddsw phaddw phminposuw phsubd phsubsw phsubw pi2fd pi2fw pinsrb
    pinsrd pmaddubsw pmaxsb pmaxsd pmaxud pmaxuw pminsb pminsd pminud pminuw pmovsxbd pmovsxbq
    pmovsxbw pmovsxdq pmovsxwd pmovsxwq pmovzxbd pmovzxbq pmovzxbw pmovzxdq pmovzxwd pmovzxwq pmuldq
    pmulhrsw pmulhrw pmulld prefetch prefetchwt1 pshufb psignb psignd psignw pswapd ptest ptwrite
    rdfsbase rdgsbase rdpid rdpkru rdrand rdseed rdssp rorx roundpd roundps roundsd roundss rstorssp
    sarx saveprevssp serialize setssbsy sha1msg1 sha1msg2 sha1nexte sha1rnds4 sha256msg1 sha256msg2
    sha256rnds2 shlx shrx skinit slwpcb stac stgi swapgs tpause umonitor umwait vmcall vmclear
    vmfunc vmlaunch vmload vmmcall vmptrld vmptrst vmread vmresume vmrun vmsave vmwrite vmxoff vmxon
    wbnoinvd wrfsbase wrgsbase wrpkru wrss wruss xabort xbegin xcryptcbc xcryptcfb xcryptecb
    xcryptofb xend xrstor xrstors xsave xsavec xsaveopt xsaves xsetbv xsha1 xsha256 xstore xstorerng
    xtest
    """.split()
)
_REGISTERS: Final = re.compile(r"[yz]mm\d+|k[0-7]|bnd[0-3]|tmm[0-7]")


def is_later(mnemonic: str) -> bool:
    """Whether an unknown instruction is one of them: with a suffix, or one of AVX."""
    stem = mnemonic.rstrip("bwlq")
    avx = mnemonic[:1] == "v" and (mnemonic[1:] in EXACT or mnemonic[1:] in _NAMES)
    return stem in _NAMES or mnemonic in _NAMES or avx


def is_later_register(name: str) -> bool:
    """The same of a register, without `%`."""
    return _REGISTERS.fullmatch(name) is not None
