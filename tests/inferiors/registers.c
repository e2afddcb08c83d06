/* SPDX-License-Identifier: MIT */
/*
 * Fills every register that the processor has with values known beforehand, says
 * "ready" just before, and spins without touching them (tests/diff/documents.py
 * knows the values).  Ends by itself after a minute.
 *
 * Byte k of vector register i is 64 i + k, times 7, plus 1; ki is i + 1 times
 * 0x0102030405060708; of the general registers, see below.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

static uint8_t vectors[32][64] __attribute__((aligned(64)));
static uint64_t masks[8];
static const uint32_t mxcsr = 0x1fa1; /* all masked; precision and invalid are noted */
static const uint16_t x87_control = 0x27f;

#define EACH_0_15(M) \
	M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define EACH_16_31(M) \
	M(16)         \
	M(17) M(18) M(19) M(20) M(21) M(22) M(23) M(24) M(25) M(26) M(27) M(28) M(29) M(30) M(31)
#define EACH_0_7(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)

#define LOAD_XMM(i) "movdqu 64*" #i "(%%rsi), %%xmm" #i "\n"
#define LOAD_YMM(i) "vmovdqu 64*" #i "(%%rsi), %%ymm" #i "\n"
#define LOAD_ZMM(i) "vmovdqu64 64*" #i "(%%rsi), %%zmm" #i "\n"
#define LOAD_K(i)   "kmovq 8*" #i "(%%rdi), %%k" #i "\n"

/* x87: pi, a zero and an infinity on the stack, so that the tags differ. */
#define REST                                                                            \
	"fninit\n fldcw %[cw]\n fld1\n fldz\n fdivrp\n fldz\n fldpi\n ldmxcsr %[csr]\n" \
	"movabs $0x1122334455667788, %%rax\n"                                           \
	"movabs $0x2233445566778899, %%rbx\n"                                           \
	"movabs $0x33445566778899aa, %%rcx\n"                                           \
	"movabs $0x445566778899aabb, %%rdx\n"                                           \
	"movabs $0x5566778899aabbcc, %%r8\n"                                            \
	"movabs $0x66778899aabbccdd, %%r9\n"                                            \
	"movabs $0x778899aabbccddee, %%r10\n"                                           \
	"movabs $0x8899aabbccddeeff, %%r11\n"                                           \
	"1: pause\n jmp 1b\n"

#define FILL(loads)                                                                          \
	__asm__ volatile(loads REST                                                          \
			 :                                                                   \
			 : "S"(vectors), "D"(masks), [cw] "m"(x87_control), [csr] "m"(mxcsr) \
			 : "memory")

int main(void)
{
	for (unsigned int i = 0; i < sizeof(vectors); i++)
		((uint8_t *)vectors)[i] = (uint8_t)(7 * i + 1);
	for (unsigned int i = 0; i < 8; i++)
		masks[i] = (i + 1) * 0x0102030405060708;
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	alarm(60);
	puts("ready");
	fflush(stdout);
	if (__builtin_cpu_supports("avx512bw"))
		FILL(EACH_0_15(LOAD_ZMM) EACH_16_31(LOAD_ZMM) EACH_0_7(LOAD_K));
	else if (__builtin_cpu_supports("avx"))
		FILL(EACH_0_15(LOAD_YMM));
	else
		FILL(EACH_0_15(LOAD_XMM));
	return 0;
}
