/* SPDX-License-Identifier: MIT */
/*
 * i386 in gdb's order (gdb/arch/i386.c and gdb/features/i386/32bit-*.xml as of 13):
 * core, sse, linux, and then what XCR0 says there is.
 */
#include "arch/x86_rows.h"

#include <elf.h>

/* Linux's struct user_regs_struct of 32 bits, in words. */
enum {
	U_EBX,
	U_ECX,
	U_EDX,
	U_ESI,
	U_EDI,
	U_EBP,
	U_EAX,
	U_DS,
	U_ES,
	U_FS,
	U_GS,
	U_ORIG_EAX,
	U_EIP,
	U_CS,
	U_EFLAGS,
	U_ESP,
	U_SS,
	U_WORDS
};

/* NT_PRFPREG has FSAVE's format; NT_PRXFPREG that of the legacy XSAVE area. */
static const struct regset regsets[] = {
	[X86_GPR] = { "general", NT_PRSTATUS, U_WORDS * 4, false },
	[X86_FPR] = { "floating point", NT_PRXFPREG, 512, true },
	[X86_XSTATE] = { "xstate", NT_X86_XSTATE, 16384, true },
};

/* clang-format off */
#define GPR(n, word, t, dw, ...)                                                 \
	{ .name = n, .type = t, .bits = 32, .set = X86_GPR, .feature = F_CORE,   \
	  .offset = 4 * (word), .size = 4, .dwarf = dw, __VA_ARGS__ }
#define ST(i)                                                                    \
	LEGACY("st" #i, "i387_ext", 80, F_CORE, XSAVE_X87, 32 + 16 * (i), 10,    \
	       11 + (i), xsave_get, xsave_put),
#define XMM(i)                                                                   \
	LEGACY("xmm" #i, "vec128", 128, F_SSE, XSAVE_SSE, 160 + 16 * (i), 16,    \
	       21 + (i), xsave_get, xsave_put),
#define MASK(i) EXT("k" #i, "uint64", 64, F_AVX512, XSAVE_OPMASK, 8 * (i), 93 + (i))

/* DWARF's numbers are those of the i386 psABI, table 2.14. */
static const struct reg common[] = {
	GPR("eax", U_EAX, "int32", 0),
	GPR("ecx", U_ECX, "int32", 1),
	GPR("edx", U_EDX, "int32", 2),
	GPR("ebx", U_EBX, "int32", 3),
	GPR("esp", U_ESP, "data_ptr", 4, .expedite = true, .generic = "sp"),
	GPR("ebp", U_EBP, "data_ptr", 5, .expedite = true, .generic = "fp"),
	GPR("esi", U_ESI, "int32", 6),
	GPR("edi", U_EDI, "int32", 7),
	GPR("eip", U_EIP, "code_ptr", 8, .expedite = true, .generic = "pc"),
	GPR("eflags", U_EFLAGS, "i386_eflags", 9, .generic = "flags"),
	GPR("cs", U_CS, "int32", 41),
	GPR("ss", U_SS, "int32", 42),
	GPR("ds", U_DS, "int32", 43),
	GPR("es", U_ES, "int32", 40),
	GPR("fs", U_FS, "int32", 44),
	GPR("gs", U_GS, "int32", 45),
	EACH_0_7(ST)
	FC("fctrl", 0, 2, xsave_get, xsave_put),
	FC("fstat", 2, 2, xsave_get, xsave_put),
	FC("ftag", 4, 2, xsave_get_ftag, xsave_put_ftag),
	FC("fiseg", 12, 2, xsave_get, xsave_put),
	FC("fioff", 8, 4, xsave_get, xsave_put),
	FC("foseg", 20, 2, xsave_get, xsave_put),
	FC("fooff", 16, 4, xsave_get, xsave_put),
	FC("fop", 6, 2, xsave_get_fop, xsave_put_fop),
	EACH_0_7(XMM)
	LEGACY("mxcsr", "i386_mxcsr", 32, F_SSE, XSAVE_SSE, 24, 4, 39, xsave_get_mxcsr, xsave_put,
	       .group = "vector"),
	{ .name = "orig_eax", .type = "int", .bits = 32, .set = X86_GPR, .feature = F_LINUX,
	  .offset = 4 * U_ORIG_EAX, .size = 4, .dwarf = -1 },
};

static const struct reg extended[] = {
	EACH_0_7(YMMH)
	EACH_0_7(MASK)
	EACH_0_7(ZMMH)
	EXT("pkru", "uint32", 32, F_PKEYS, XSAVE_PKRU, 0, -1)
};
/* clang-format on */

static const uint8_t bp_insn[] = { 0xcc };
static const uint8_t syscall_insn[] = { 0xcd, 0x80 };

const struct arch arch_i386 = {
	.name = "i386",
	.gdb_name = "i386",
	.elf_machine = EM_386,
	.addr_size = 4,
	.features = x86_features,
	.regsets = regsets,
	.nregsets = COUNT(regsets),
	.regs = common,
	.nregs = COUNT(common),
	.plain_nregs = COUNT(common),
	.pc = 8,
	.sp = 4,
	.fp = 5,
	.tp = ARCH_NO_REG,
	.sysno = 41,
	.sysret = 0,
	.sysarg = { 3, 1, 2, 6, 7, 5 },
	.syscall_insn = syscall_insn,
	.syscall_len = sizeof(syscall_insn),
	.bp_insn = bp_insn,
	.bp_len = sizeof(bp_insn),
	.pc_after_bp = 1,
	.watchpoints = 4,
};

struct err *arch_i386_select(const struct xsave_layout *layout, struct arch **ret)
{
	return x86_select(&arch_i386, extended, COUNT(extended), layout, ret);
}

struct err *arch_i386_detect(const struct xsave_layout *cpu, const void *area, size_t size,
			     struct arch **ret)
{
	struct xsave_layout layout = *cpu;

	if (size < XSAVE_MIN)
		return arch_i386_select(NULL, ret);
	xsave_layout_restrict(&layout, xsave_xcr0(area, size));
	return arch_i386_select(&layout, ret);
}
