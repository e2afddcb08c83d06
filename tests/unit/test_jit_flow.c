/* SPDX-License-Identifier: MIT */
/* Each rule of qxfer/jit/flow_effect.c, on the bytes that made it necessary. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/fallback.h"
#include "qxfer/jit/flow.h"

/* What must hold at an offset of some code. */
struct expect {
	uint32_t at;
	uint8_t cfa_reg;
	int32_t cfa_off;
	uint8_t ra_kind, ra_reg;
	int32_t rbp; /* where it is saved, from the CFA; 0: it is not */
};

static void run(const uint8_t *bytes, size_t len, bool baseline, struct jit_table *t)
{
	struct flow *f;
	const struct flow_code code = { .bytes = bytes,
					.len = (uint32_t)len,
					.baseline = baseline };
	struct err *err = flow_create(&f);
	cr_assert_null(err);
	flow_run(f, &code, t);
	cr_assert_not(t->failed);
	flow_destroy(f);
}

static void check(const uint8_t *bytes, size_t len, bool baseline, const struct expect *e, size_t n)
{
	struct jit_table t = { 0 };
	const char *why;
	if (!insn_available(&why))
		return; /* built without a decoder: there are no such rules */
	run(bytes, len, baseline, &t);
	for (size_t i = 0; i < n; i++) {
		const struct jit_rule *r = jit_table_find(&t, e[i].at);
		cr_assert_not_null(r, "at %u", e[i].at);
		cr_assert_eq(r->cfa_reg, e[i].cfa_reg, "at %u: CFA by r%u", e[i].at, r->cfa_reg);
		cr_assert_eq(r->cfa_off, e[i].cfa_off, "at %u: CFA %+d", e[i].at, r->cfa_off);
		cr_assert_eq(r->ra_kind, e[i].ra_kind, "at %u: ra kind %u", e[i].at, r->ra_kind);
		cr_assert_eq(r->ra_reg, e[i].ra_reg, "at %u: ra r%u", e[i].at, r->ra_reg);
		cr_assert_eq(r->at[0], e[i].rbp, "at %u: rbp %+d", e[i].at, r->at[0]);
	}
	jit_table_deinit(&t);
}

#define CHECK(code, expects) \
	check(code, sizeof(code), false, expects, sizeof(expects) / sizeof((expects)[0]))

Test(jit_flow, a_frame_is_followed_from_entry_to_return)
{
	/* push %rbp; mov %rsp,%rbp; sub $16,%rsp; leave; ret */
	static const uint8_t code[] = {
		0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0xc9, 0xc3
	};
	static const struct expect e[] = { { 0, JIT_RSP, 8, 0, 0, 0 },
					   { 1, JIT_RSP, 16, 0, 0, -16 },
					   { 4, JIT_RBP, 16, 0, 0, -16 },
					   { 9, JIT_RSP, 8, 0, 0, 0 } };
	CHECK(code, e);
}

Test(jit_flow, a_popped_return_address_is_in_its_register_until_it_is_pushed)
{
	/* pop %r10; lea (%rsp,%rcx,8),%rsp; push %r10; ret */
	static const uint8_t code[] = { 0x41, 0x5a, 0x48, 0x8d, 0x24, 0xcc, 0x41, 0x52, 0xc3 };
	static const struct expect e[] = { { 2, JIT_RSP, 0, JIT_RA_IN_REG, JIT_R10, 0 },
					   { 6, JIT_RSP, 0, JIT_RA_IN_REG, JIT_R10, 0 },
					   { 8, JIT_RSP, 8, 0, 0, 0 } };
	CHECK(code, e);
}

Test(jit_flow, a_return_address_may_be_popped_to_memory)
{
	/* pop 0x40(%r13); nop; push 0x40(%r13); ret */
	static const uint8_t code[] = {
		0x41, 0x8f, 0x45, 0x40, 0x90, 0x41, 0xff, 0x75, 0x40, 0xc3
	};
	static const struct expect e[] = { { 4, JIT_RSP, 0, JIT_RA_IN_MEM, JIT_R13, 0 },
					   { 9, JIT_RSP, 8, 0, 0, 0 } };
	CHECK(code, e);
}

Test(jit_flow, a_copy_of_the_stack_pointer_finds_the_frame_while_room_is_made)
{
	/* mov %rsp,%r10; sub %rcx,%rsp; nop */
	static const uint8_t code[] = { 0x49, 0x89, 0xe2, 0x48, 0x29, 0xcc, 0x90, 0xc3 };
	static const struct expect e[] = { { 3, JIT_RSP, 8, 0, 0, 0 }, { 6, JIT_R10, 8, 0, 0, 0 } };
	CHECK(code, e);
}

Test(jit_flow, words_are_copied_to_the_room_that_was_made_by_an_index_from_0_on)
{
	/*
	 * mov %rsp,%r8; sub %r10,%rsp; xor %r12d,%r12d; jmp 2f;
	 * 1: mov (%r8,%r12,8),%r10; mov %r10,(%rsp,%r12,8); inc %r12; 2: cmp %rax,%r12; jle 1b;
	 * mov %rcx,%r8; jmp out
	 */
	static const uint8_t code[] = { 0x49, 0x89, 0xe0, 0x4c, 0x29, 0xd4, 0x45, 0x31, 0xe4,
					0xeb, 0x0b, 0x4f, 0x8b, 0x14, 0xe0, 0x4e, 0x89, 0x14,
					0xe4, 0x49, 0xff, 0xc4, 0x49, 0x39, 0xc4, 0x7e, 0xf0,
					0x49, 0x89, 0xc8, 0xe9, 0,    0,    1,	  0 };
	static const uint32_t by_index[] = { 11, 15, 22, 25, 27 }, copied[] = { 19, 30 };
	struct jit_table t = { 0 };
	const char *why;
	if (!insn_available(&why))
		return;
	run(code, sizeof(code), false, &t);
	for (size_t i = 0; i < sizeof(by_index) / sizeof(by_index[0]); i++) {
		const struct jit_rule *r = jit_table_find(&t, by_index[i]);
		uint64_t reg[JIT_REGS] = { [JIT_RSP] = 0x100, [JIT_R8] = 0x200 }, cfa;
		cr_assert(r->cfa_kind == JIT_CFA_BY_INDEX && r->index_reg == JIT_R12, "at %u",
			  by_index[i]);
		cr_assert(jit_rule_cfa(r, reg, NULL, NULL, &cfa));
		cr_assert_eq(cfa, 0x208);
		reg[JIT_R12] = 3;
		cr_assert(jit_rule_cfa(r, reg, NULL, NULL, &cfa));
		cr_assert_eq(cfa, 0x108);
	}
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		const struct jit_rule *r = jit_table_find(&t, copied[i]);
		cr_assert(r->cfa_kind == JIT_CFA_REG && r->cfa_reg == JIT_RSP && r->cfa_off == 8,
			  "at %u", copied[i]);
	}
	jit_table_deinit(&t);
}

Test(jit_flow, a_tail_call_drops_the_frame_before_the_stack)
{
	/* push %rbp; mov %rsp,%rbp; sub $32,%rsp; mov (%rbp),%rbp; add $40,%rsp; jmp out */
	static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec,
					0x20, 0x48, 0x8b, 0x6d, 0x00, 0x48, 0x83,
					0xc4, 0x28, 0xe9, 0,	0,    1,    0 };
	static const struct expect e[] = { { 8, JIT_RBP, 16, 0, 0, -16 },
					   { 12, JIT_RSP, 48, 0, 0, 0 },
					   { 16, JIT_RSP, 8, 0, 0, 0 } };
	CHECK(code, e);
}

Test(jit_flow, a_tail_call_may_move_the_return_address_down_the_stack)
{
	/* push (%rsp); mov %rbx,8(%rsp); jmp out */
	static const uint8_t pushed[] = { 0xff, 0x34, 0x24, 0x48, 0x89, 0x5c, 0x24,
					  0x08, 0xe9, 0,    0,	  1,	0 };
	static const struct expect by_push[] = { { 3, JIT_RSP, 16, 0, 0, 0 },
						 { 8, JIT_RSP, 8, 0, 0, 0 } };
	CHECK(pushed, by_push);
	/* sub $32,%rsp; mov 32(%rsp),%r10; mov %r10,16(%rsp); mov %rax,32(%rsp); add $16,%rsp */
	static const uint8_t moved[] = { 0x48, 0x83, 0xec, 0x20, 0x4c, 0x8b, 0x54, 0x24,
					 0x20, 0x4c, 0x89, 0x54, 0x24, 0x10, 0x48, 0x89,
					 0x44, 0x24, 0x20, 0x48, 0x83, 0xc4, 0x10, 0xc3 };
	static const struct expect by_mov[] = { { 14, JIT_RSP, 40, 0, 0, 0 },
						{ 19, JIT_RSP, 24, 0, 0, 0 },
						{ 23, JIT_RSP, 8, 0, 0, 0 } };
	CHECK(moved, by_mov);
}

Test(jit_flow, what_follows_a_call_that_never_returns_is_not_its_successor)
{
	/*
	 * push %rbp; mov %rsp,%rbp; test %eax,%eax; je 1f; pop %rbp; jmp 2f; 1: call abort;
	 * 2: ret: after the call there is a frame, where the jump comes from there is none.
	 */
	static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0x85, 0xc0, 0x74, 0x03, 0x5d,
					0xeb, 0x05, 0xe8, 0,	0,    1,    0,	  0xc3 };
	static const struct expect e[] = { { 11, JIT_RBP, 16, 0, 0, -16 },
					   { 16, JIT_RSP, 8, 0, 0, 0 } };
	CHECK(code, e);
}

Test(jit_flow, baseline_code_has_its_frame_after_its_first_call)
{
	/* mov $1,%ecx; call prologue; nop */
	static const uint8_t code[] = { 0xb9, 1, 0, 0, 0, 0xe8, 0, 0, 1, 0, 0x90, 0xc3 };
	static const struct expect e[] = { { 5, JIT_RSP, 8, 0, 0, 0 },
					   { 10, JIT_RBP, 16, 0, 0, -16 } };
	check(code, sizeof(code), true, e, 2);
}

Test(jit_flow, what_the_callee_saves_by_pushing_is_given_back)
{
	/* push %rbp; mov %rsp,%rbp; push %r12; push %r13; push %r14; push %r15; push %rbx; nop */
	static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0x41, 0x54, 0x41, 0x55,
					0x41, 0x56, 0x41, 0x57, 0x53, 0x90, 0xc3 };
	struct jit_table t = { 0 };
	const char *why;
	if (!insn_available(&why))
		return;
	run(code, sizeof(code), false, &t);
	const struct jit_rule *r = jit_table_find(&t, 13);
	static const int32_t at[JIT_SAVED] = { -16, -56, -24, -32, -40, -48 };
	cr_assert_not_null(r);
	cr_assert_eq(memcmp(r->at, at, sizeof(at)), 0);
	jit_table_deinit(&t);
}

Test(jit_flow, a_jump_table_has_no_frame_and_zeros_end_it)
{
	static const uint8_t code[] = { 0xe9, 0, 1, 0, 0, 0xe9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
					0,    0, 0, 0, 0, 0,	0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const struct expect e[] = { { 0, JIT_RSP, 8, 0, 0, 0 },
					   { 5, JIT_RSP, 8, 0, 0, 0 },
					   { 20, JIT_RSP, 8, 0, 0, 0 } };
	CHECK(code, e);
}

Test(jit_flow, a_stack_that_is_aligned_for_a_call_of_c_is_found_by_the_word_that_was_kept)
{
	/*
	 * push %rbp; mov %rsp,%r10; sub $8,%rsp; and $-16,%rsp; mov %r10,(%rsp); call *%rax;
	 * mov (%rsp),%rsp; nop; pop 8(%rbx); ret
	 */
	static const uint8_t code[] = { 0x55, 0x49, 0x89, 0xe2, 0x48, 0x83, 0xec, 0x08, 0x48,
					0x83, 0xe4, 0xf0, 0x4c, 0x89, 0x14, 0x24, 0xff, 0xd0,
					0x48, 0x8b, 0x24, 0x24, 0x90, 0x8f, 0x43, 0x08, 0xc3 };
	static const struct expect e[] = { { 12, JIT_R10, 16, 0, 0, -16 },
					   { 22, JIT_RSP, 16, 0, 0, -16 },
					   { 26, JIT_RSP, 8, 0, 0, 0 } };
	struct jit_table t = { 0 };
	const char *why;
	CHECK(code, e);
	if (!insn_available(&why))
		return;
	run(code, sizeof(code), false, &t);
	for (uint32_t at = 16; at <= 18; at += 2) {
		const struct jit_rule *r = jit_table_find(&t, at);
		cr_assert(r->cfa_kind == JIT_CFA_SAVED && r->cfa_reg == JIT_RSP, "at %u", at);
		cr_assert_eq(r->cfa_disp, 0);
		cr_assert_eq(r->cfa_off, 16);
	}
	jit_table_deinit(&t);
}

Test(jit_flow, what_drops_its_return_address_is_in_the_frame_that_it_was_called_from)
{
	/* push %rax; add $8,%rsp; add $8,%rsp; pop (%rdx); push %rcx; pop %rbp; pop %rcx; ret */
	static const uint8_t code[] = { 0x50, 0x48, 0x83, 0xc4, 0x08, 0x48, 0x83, 0xc4,
					0x08, 0x8f, 0x02, 0x51, 0x5d, 0x59, 0xc3 };
	static const struct expect e[] = { { 5, JIT_RSP, 8, 0, 0, 0 },
					   { 9, JIT_RBP, 16, 0, 0, -16 },
					   { 12, JIT_RBP, 16, 0, 0, -16 },
					   { 13, JIT_RSP, 16, 0, 0, 0 },
					   { 14, JIT_RSP, 8, 0, 0, 0 } };
	CHECK(code, e);
	/* mov (%rsp),%r8; call *%rax; add $8,%rsp; nop: that was long ago. */
	static const uint8_t looked[] = { 0x4c, 0x8b, 0x04, 0x24, 0xff, 0xd0,
					  0x48, 0x83, 0xc4, 0x08, 0x90, 0xc3 };
	static const struct expect of_caller[] = { { 10, JIT_RBP, 16, 0, 0, -16 } };
	CHECK(looked, of_caller);
	/* mov (%rsp),%r10; mov %r10,8(%rsp); add $8,%rsp; nop: it was kept. */
	static const uint8_t kept[] = { 0x4c, 0x8b, 0x14, 0x24, 0x4c, 0x89, 0x54, 0x24,
					0x08, 0x48, 0x83, 0xc4, 0x08, 0x90, 0xc3 };
	static const struct expect by_copy[] = { { 13, JIT_RSP, 8, 0, 0, 0 } };
	CHECK(kept, by_copy);
}

Test(jit_flow, a_jump_within_a_whole_function_is_no_jump_table)
{
	/* push %rbp; mov %rsp,%rbp; jmp *%rax; jmp 1f; 1: leave; ret */
	static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xe0, 0xe9,
					0,    0,    0,	  0,	0xc9, 0xc3 };
	struct flow_code c = { .bytes = code, .len = sizeof(code), .whole = true };
	struct jit_table t = { 0 };
	struct flow *f;
	const char *why;
	if (!insn_available(&why))
		return;
	cr_assert_null(flow_create(&f));
	flow_run(f, &c, &t);
	cr_assert_eq(jit_table_find(&t, 6)->cfa_reg, JIT_RBP);
	c.whole = false;
	jit_table_clear(&t);
	flow_run(f, &c, &t);
	cr_assert_eq(jit_table_find(&t, 6)->cfa_reg, JIT_RSP);
	jit_table_deinit(&t);
	flow_destroy(f);
}

Test(jit_flow, any_bytes_give_rows_for_all_of_them)
{
	uint8_t code[4096];
	const char *why;
	unsigned int seed = 7;
	if (!insn_available(&why))
		return;
	for (int round = 0; round < 50; round++) {
		struct jit_table t = { 0 };
		for (size_t i = 0; i < sizeof(code); i++)
			code[i] = (uint8_t)((seed = seed * 1103515245u + 12345u) >> 16);
		run(code, sizeof(code), round % 2, &t);
		for (uint32_t at = 0; at < sizeof(code); at += 61)
			cr_assert_not_null(jit_table_find(&t, at));
		jit_table_deinit(&t);
	}
}

Test(jit_fallback, the_single_entry_is_that_of_the_v8_design)
{
	struct jit_table t = { 0 };
	fallback_single(&t, 100, 200);
	cr_assert_null(jit_table_find(&t, 99));
	cr_assert_eq(jit_table_find(&t, 100)->cfa_off, 8);
	cr_assert_eq(jit_table_find(&t, 101)->cfa_off, 16);
	cr_assert_eq(jit_table_find(&t, 104)->cfa_reg, JIT_RBP);
	cr_assert_eq(jit_table_find(&t, 199)->cfa_reg, JIT_RBP);
	jit_table_deinit(&t);
}

Test(jit_fallback, there_is_an_entry_for_each_place_that_builds_a_frame)
{
	static const uint8_t code[] = { 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
					0x55, 0x48, 0x89, 0xe5, 0x90, 0xc3 };
	struct jit_table t = { 0 };
	fallback_each(&t, code, 0, sizeof(code));
	cr_assert_eq(jit_table_find(&t, 5)->cfa_reg, JIT_RBP);
	cr_assert_eq(jit_table_find(&t, 6)->cfa_off, 8);
	cr_assert_eq(jit_table_find(&t, 10)->cfa_reg, JIT_RBP);
	jit_table_deinit(&t);
}
