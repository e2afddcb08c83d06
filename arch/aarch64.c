/* SPDX-License-Identifier: MIT */
/*
 * AArch64 in gdb's order (gdb/features/aarch64-*.xml as of 13): core, fpu, and what the
 * kernel noted besides: thread pointers, the masks of signed pointers.  Of SVE's vectors
 * the low 128 bits are v0 to v31.  Only cores are of it.
 */
#include "arch/aarch64.h"

#include <elf.h>
#include <string.h>

#ifndef NT_ARM_PAC_MASK
#define NT_ARM_PAC_MASK 0x406
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { F_CORE, F_FPU, F_PAUTH, F_TLS };

/* clang-format off */
#define BOOL(name, n) "<field name=\"" name "\" start=\"" #n "\" end=\"" #n "\" type=\"bool\"/>\n"
#define BITS(name, from, to) \
	"<field name=\"" name "\" start=\"" #from "\" end=\"" #to "\" type=\"uint32\"/>\n"
#define VECTOR(id, type, n) "<vector id=\"" id "\" type=\"" type "\" count=\"" #n "\"/>\n"
#define FIELD(name, type) "<field name=\"" name "\" type=\"" type "\"/>\n"
#define UNION(id, fields) "<union id=\"" id "\">\n" fields "</union>\n"
#define FLAGS(id, fields) "<flags id=\"" id "\" size=\"4\">\n" fields "</flags>\n"

/* Fields of PSTATE, FPSR and FPCR: Arm ARM, C5.2. */
#define CPSR_XML FLAGS("cpsr_flags",                                                  \
	BOOL("SP", 0) BITS("EL", 2, 3) BOOL("nRW", 4) BOOL("F", 6) BOOL("I", 7)         \
	BOOL("A", 8) BOOL("D", 9) BITS("BTYPE", 10, 11) BOOL("SSBS", 12) BOOL("IL", 20) \
	BOOL("SS", 21) BOOL("PAN", 22) BOOL("UAO", 23) BOOL("DIT", 24) BOOL("TCO", 25)  \
	BOOL("V", 28) BOOL("C", 29) BOOL("Z", 30) BOOL("N", 31))
#define FPU_XML                                                                       \
	VECTOR("v2d", "ieee_double", 2) VECTOR("v2u", "uint64", 2)                      \
	VECTOR("v2i", "int64", 2) VECTOR("v4f", "ieee_single", 4)                       \
	VECTOR("v4u", "uint32", 4) VECTOR("v4i", "int32", 4)                            \
	VECTOR("v8f", "ieee_half", 8) VECTOR("v8u", "uint16", 8)                        \
	VECTOR("v8i", "int16", 8) VECTOR("v8bf16", "bfloat16", 8)                       \
	VECTOR("v16u", "uint8", 16) VECTOR("v16i", "int8", 16)                          \
	VECTOR("v1u", "uint128", 1) VECTOR("v1i", "int128", 1)                          \
	UNION("vnd", FIELD("f", "v2d") FIELD("u", "v2u") FIELD("s", "v2i"))             \
	UNION("vns", FIELD("f", "v4f") FIELD("u", "v4u") FIELD("s", "v4i"))             \
	UNION("vnh", FIELD("bf", "v8bf16") FIELD("f", "v8f") FIELD("u", "v8u")          \
	      FIELD("s", "v8i"))                                                        \
	UNION("vnb", FIELD("u", "v16u") FIELD("s", "v16i"))                             \
	UNION("vnq", FIELD("u", "v1u") FIELD("s", "v1i"))                               \
	UNION("aarch64v", FIELD("d", "vnd") FIELD("s", "vns") FIELD("h", "vnh")         \
	      FIELD("b", "vnb") FIELD("q", "vnq"))                                      \
	FLAGS("fpsr_flags", BOOL("IOC", 0) BOOL("DZC", 1) BOOL("OFC", 2) BOOL("UFC", 3) \
	      BOOL("IXC", 4) BOOL("IDC", 7) BOOL("QC", 27) BOOL("V", 28) BOOL("C", 29)  \
	      BOOL("Z", 30) BOOL("N", 31))                                              \
	FLAGS("fpcr_flags", BOOL("FIZ", 0) BOOL("AH", 1) BOOL("NEP", 2) BOOL("IOE", 8)  \
	      BOOL("DZE", 9) BOOL("OFE", 10) BOOL("UFE", 11) BOOL("IXE", 12)            \
	      BOOL("EBF", 13) BOOL("IDE", 15) BITS("Len", 16, 18) BOOL("FZ16", 19)      \
	      BITS("Stride", 20, 21) BITS("RMode", 22, 23) BOOL("FZ", 24) BOOL("DN", 25) \
	      BOOL("AHP", 26))

static const struct arch_feature features[] = {
	[F_CORE] = { "org.gnu.gdb.aarch64.core", CPSR_XML },
	[F_FPU] = { "org.gnu.gdb.aarch64.fpu", FPU_XML },
	[F_PAUTH] = { "org.gnu.gdb.aarch64.pauth", NULL },
	[F_TLS] = { "org.gnu.gdb.aarch64.tls", NULL },
};

static const struct regset regsets[] = {
	[A64_GPR] = { "general", NT_PRSTATUS, 34 * 8, false },
	[A64_FPR] = { "floating point", NT_PRFPREG, 528, true },
	[A64_TLS] = { "thread pointer", NT_ARM_TLS, 16, true },
	[A64_PAC] = { "pointer masks", NT_ARM_PAC_MASK, 16, true },
};

#define X(i) ROW("x" #i, "int", 64, A64_GPR, F_CORE, 8 * (i), i),
#define V(i) ROW("v" #i, "aarch64v", 128, A64_FPR, F_FPU, 16 * (i), 64 + (i)),
#define ROW(n, t, b, s, f, at, dw, ...)                                               \
	{ .name = n, .type = t, .bits = b, .set = s, .feature = f, .offset = at,        \
	  .size = (b) / 8, .dwarf = dw, __VA_ARGS__ }

/* DWARF's numbers: "DWARF for the Arm 64-bit Architecture", 4.1. */
static const struct reg rows[] = {
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
	X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28)
	ROW("x29", "int", 64, A64_GPR, F_CORE, 8 * 29, 29, .expedite = true, .generic = "fp"),
	ROW("x30", "int", 64, A64_GPR, F_CORE, 8 * 30, 30, .generic = "ra"),
	ROW("sp", "data_ptr", 64, A64_GPR, F_CORE, 8 * 31, 31, .expedite = true, .generic = "sp"),
	ROW("pc", "code_ptr", 64, A64_GPR, F_CORE, 8 * 32, 32, .expedite = true, .generic = "pc"),
	ROW("cpsr", "cpsr_flags", 32, A64_GPR, F_CORE, 8 * 33, -1, .generic = "flags"),
	V(0) V(1) V(2) V(3) V(4) V(5) V(6) V(7) V(8) V(9) V(10) V(11) V(12) V(13) V(14) V(15)
	V(16) V(17) V(18) V(19) V(20) V(21) V(22) V(23) V(24) V(25) V(26) V(27) V(28) V(29)
	V(30) V(31)
	ROW("fpsr", "fpsr_flags", 32, A64_FPR, F_FPU, 512, -1),
	ROW("fpcr", "fpcr_flags", 32, A64_FPR, F_FPU, 516, -1),
	ROW("tpidr", "data_ptr", 64, A64_TLS, F_TLS, 0, -1, .generic = "tp"),
	ROW("tpidr2", "data_ptr", 64, A64_TLS, F_TLS, 8, -1),
	ROW("pauth_dmask", "int", 64, A64_PAC, F_PAUTH, 0, -1),
	ROW("pauth_cmask", "int", 64, A64_PAC, F_PAUTH, 8, -1),
};
/* clang-format on */

/* futex, restart_syscall: include/uapi/asm-generic/unistd.h. */
static const struct arch_call calls[] = { { 98, 202 }, { 128, 219 }, { 0, 0 } };
static const uint8_t bp_insn[] = { 0, 0, 0x20, 0xd4 };	 /* brk #0 */
static const uint8_t syscall_insn[] = { 1, 0, 0, 0xd4 }; /* svc #0 */

const struct arch arch_aarch64 = {
	.name = "aarch64",
	.gdb_name = "aarch64",
	.elf_machine = EM_AARCH64,
	.addr_size = 8,
	.features = features,
	.regsets = regsets,
	.nregsets = COUNT(regsets),
	.regs = rows,
	.nregs = COUNT(rows),
	.plain_nregs = 68,
	.pc = 32,
	.sp = 31,
	.fp = 29,
	.tp = 68,
	.tp_gap = 4096,
	.sysno = 8,
	.sysret = 0,
	.sysarg = { 0, 1, 2, 3, 4, 5 },
	.calls = calls,
	.syscall_insn = syscall_insn,
	.syscall_len = sizeof(syscall_insn),
	.bp_insn = bp_insn,
	.bp_len = sizeof(bp_insn),
};

struct err *arch_aarch64_select(const uint32_t sizes[A64_SETS], struct arch **ret)
{
	struct arch *a;
	uint16_t n = 0;
	struct err *err = arch_create(&arch_aarch64, COUNT(rows), &a);
	if (err)
		return err;
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool plain = rows[i].set == A64_GPR || rows[i].set == A64_FPR;
		if (plain || rows[i].offset + rows[i].size <= sizes[rows[i].set])
			memcpy(&a->owned[n++], &rows[i], sizeof(rows[i]));
	}
	a->nregs = n;
	if (sizes[A64_TLS] < 8)
		a->tp = ARCH_NO_REG;
	*ret = a;
	return NULL;
}
