/* SPDX-License-Identifier: MIT */
/*
 * Call frame information from bytes written here: programs, expressions, and what
 * hostile ones must not do.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "qxfer/unwind/cfi.h"
#include "qxfer/unwind/code.h"

#define BASE  0x10000ull /* of the table, in the memory of the test */
#define STACK 0x20000ull

static uint8_t table_bytes[4096], stack_bytes[4096];

static size_t read_bytes(void *ctx, uint64_t addr, void *buf, size_t len)
{
	(void)ctx;
	const uint8_t *from = addr >= STACK ? stack_bytes : table_bytes;
	uint64_t start = addr >= STACK ? STACK : BASE;
	if (addr < start || addr >= start + sizeof(table_bytes))
		return 0;
	if (len > start + sizeof(table_bytes) - addr)
		len = start + sizeof(table_bytes) - addr;
	memcpy(buf, from + (addr - start), len);
	return len;
}

static const struct mem_ops ops = { .read = read_bytes };
static struct mem mem;
static struct cfi_source source;
static struct space_regs regs;

static void setup(void)
{
	memset(table_bytes, 0, sizeof(table_bytes));
	memset(stack_bytes, 0, sizeof(stack_bytes));
	cr_assert_null(mem_init(&mem, &ops, NULL, 8));
	mem_deinit(&mem); /* no page cache */
	source = (struct cfi_source){ .mem = &mem, .left = 1u << 30 };
	regs = (struct space_regs){ .known = (1u << SPACE_REGS) - 1 };
}
TestSuite(unwind, .init = setup, .timeout = 20);

/* ---- expressions ---- */

#define EVAL(...) eval((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* The value, or a poison if there is none. */
#define NONE 0xdeadull
static uint64_t eval(const uint8_t *code, size_t len)
{
	uint64_t value = NONE;
	memcpy(table_bytes, code, len);
	struct err *err = cfi_eval(&source, BASE, (uint32_t)len, &regs, NULL, &value);
	cr_expect_eq(!err, value != NONE);
	err_drop(err);
	return value;
}

Test(unwind, expressions_calculate)
{
	regs.value[SPACE_REG_SP] = STACK;
	regs.value[SPACE_REG_PC] = 0x40100b;
	uint64_t word = 0x1122334455667788;
	memcpy(stack_bytes + 8, &word, sizeof(word));
	cr_expect_eq(EVAL(0x77, 8), STACK + 8);		    /* breg7 8 */
	cr_expect_eq(EVAL(0x77, 8, 0x06), word);	    /* deref */
	cr_expect_eq(EVAL(0x77, 8, 0x94, 2), 0x7788);	    /* deref_size 2 */
	cr_expect_eq(EVAL(0x09, 0xfe), (uint64_t)-2);	    /* const1s -2 */
	cr_expect_eq(EVAL(0x10, 0xe5, 0x8e, 0x26), 624485); /* constu: DWARF's own example */
	cr_expect_eq(EVAL(0x11, 0x80, 0x7f), (uint64_t)-128);
	cr_expect_eq(EVAL(0x35, 0x32, 0x1c), 3);		   /* lit5 lit2 minus */
	cr_expect_eq(EVAL(0x09, 0xf8, 0x32, 0x26), (uint64_t)-2);  /* -8 lit2 shra */
	cr_expect_eq(EVAL(0x31, 0x32, 0x33, 0x17, 0x12, 0x22), 4); /* rot: 3 1 2; dup plus */
	/* The linker's for .plt: sp + 8 + ((pc & 15) >= 11) * 8. */
	cr_expect_eq(EVAL(0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22), STACK + 16);
}

Test(unwind, expressions_that_make_no_sense_are_errors)
{
	cr_expect_eq(EVAL(0x22), NONE);		       /* plus of nothing */
	cr_expect_eq(EVAL(0x31, 0x30, 0x1b), NONE);    /* 1 / 0 */
	cr_expect_eq(EVAL(0x31, 0x30, 0x1d), NONE);    /* 1 % 0 */
	cr_expect_eq(EVAL(0x30, 0x06), NONE);	       /* deref 0 */
	cr_expect_eq(EVAL(0x31, 0x94, 9), NONE);       /* nine bytes of a word */
	cr_expect_eq(EVAL(0xff), NONE);		       /* no such operation */
	cr_expect_eq(EVAL(0x92, 0x99, 0x01, 0), NONE); /* register 153 */
	cr_expect_eq(EVAL(0x0e, 1, 2), NONE);	       /* const8u, cut short */
	cr_expect_eq(EVAL(0x2f, 0x10, 0), NONE);       /* skip out of it */
	cr_expect_eq(EVAL(0x30, 0x15, 7), NONE);       /* pick 7 of 1 */
	regs.known = 0;
	cr_expect_eq(EVAL(0x77, 8), NONE); /* a register that nobody knows */
}

Test(unwind, expressions_neither_trap_nor_go_on_for_ever)
{
	/* INT64_MIN / -1 */
	cr_expect_eq(EVAL(0x0f, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x09, 0xff, 0x1b), 1ull << 63);
	cr_expect_eq(EVAL(0x31, 0x08, 200, 0x24), 0);		/* 1 << 200 */
	cr_expect_eq(EVAL(0x2f, 0xfd, 0xff), NONE);		/* skip to itself */
	cr_expect_eq(EVAL(0x31, 0x12, 0x2f, 0xfc, 0xff), NONE); /* dup for ever */
}

/* ---- programs ---- */

/* Where the parts of a table are that write_table() makes. */
#define CIE	 (BASE + 0x40)
#define FDE	 (BASE + 0x80)
#define FUNCTION 0x401000ull

static const struct cfi_table table = { .hdr = BASE, .lo = BASE, .hi = BASE + 4096 };

static uint8_t *put(uint8_t *p, const void *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

static uint8_t *put_u32(uint8_t *p, uint64_t v)
{
	uint32_t word = (uint32_t)v;
	return put(p, &word, sizeof(word));
}

/* One function of 256 bytes whose FDE has this program; the CIE is what gcc makes. */
static void write_table(const uint8_t *program, size_t len)
{
	static const uint8_t hdr[] = { 1, 0x1b, 0x03, 0x3b };
	static const uint8_t cie[] = {
		1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x80 | 16, 1
	}; /* CFA rsp+8, rip at CFA-8 */
	uint8_t *p = put(table_bytes, hdr, sizeof(hdr));
	p = put_u32(p, 0x3c); /* .eh_frame: not used */
	p = put_u32(p, 1);
	p = put_u32(p, FUNCTION - BASE);
	put_u32(p, FDE - BASE);
	p = put_u32(table_bytes + (CIE - BASE), sizeof(cie) + 4);
	put(put_u32(p, 0), cie, sizeof(cie));
	p = put_u32(table_bytes + (FDE - BASE), 13 + len);
	p = put_u32(p, FDE + 4 - CIE);
	p = put_u32(p, FUNCTION - (FDE + 8)); /* relative to where it stands */
	p = put_u32(p, 256);
	*p++ = 0; /* no augmentation data */
	put(p, program, len);
}
#define WRITE_TABLE(...) \
	write_table((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static bool find(uint64_t pc, struct cfi_row *row)
{
	struct err *err = cfi_find(&table, &source, pc, row);
	err_drop(err);
	return !err;
}

Test(unwind, a_row_says_what_holds_at_its_address)
{
	struct cfi_row row;
	/* push %rbp at +0; mov %rsp,%rbp at +1; the frame is left from +64 on. */
	WRITE_TABLE(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x02, 60, 0x0c, 7, 8, 0xc6);
	cr_assert(find(FUNCTION, &row));
	cr_expect_eq(row.cfa.reg, 7);
	cr_expect_eq(row.cfa.offset, 8);
	cr_expect_eq(row.reg[6].kind, CFI_KEPT);
	cr_assert(find(FUNCTION + 1, &row));
	cr_expect_eq(row.cfa.offset, 16);
	cr_expect_eq(row.reg[6].offset, -16);
	cr_assert(find(FUNCTION + 63, &row));
	cr_expect_eq(row.cfa.reg, 6);
	cr_expect_eq(row.cfa.offset, 16);
	cr_assert(find(FUNCTION + 64, &row));
	cr_expect_eq(row.cfa.reg, 7);
	cr_expect_eq(row.cfa.offset, 8);
	cr_expect_eq(row.reg[6].kind, CFI_KEPT);
	cr_expect_not(find(FUNCTION - 1, &row));
	cr_expect_not(find(FUNCTION + 256, &row));
}

Test(unwind, remembered_states_come_back)
{
	struct cfi_row row;
	WRITE_TABLE(0x0a, 0x41, 0x0e, 48, 0x83, 3, 0x41, 0x0b, 0x41, 0x0e, 99);
	cr_assert(find(FUNCTION + 1, &row));
	cr_expect_eq(row.cfa.offset, 48);
	cr_expect_eq(row.reg[3].kind, CFI_AT);
	cr_assert(find(FUNCTION + 2, &row));
	cr_expect_eq(row.cfa.offset, 8);
	cr_expect_eq(row.reg[3].kind, CFI_KEPT);
}

Test(unwind, a_row_gives_the_callers_registers)
{
	struct cfi_row row;
	uint64_t saved[] = { 0x77777777, 0x402468 }, cfa;
	WRITE_TABLE(0x0e, 16, 0x86, 2, 0x07, 3); /* rbp saved, rbx lost */
	cr_assert(find(FUNCTION + 5, &row));
	memcpy(stack_bytes + 0x100, saved, sizeof(saved));
	regs.value[SPACE_REG_SP] = STACK + 0x100;
	cr_assert_null(cfi_apply(&row, &source, &regs, &cfa));
	cr_expect_eq(cfa, STACK + 0x110);
	cr_expect_eq(regs.value[SPACE_REG_SP], cfa);
	cr_expect_eq(regs.value[SPACE_REG_FP], 0x77777777);
	cr_expect_eq(regs.value[SPACE_REG_PC], 0x402468);
	cr_expect_not(regs.known & 1u << 3);
	cr_expect(regs.known & 1u << 12);
}

Test(unwind, a_function_without_a_return_address_has_no_caller)
{
	struct cfi_row row;
	uint64_t cfa;
	WRITE_TABLE(0x07, 16);
	cr_assert(find(FUNCTION, &row));
	regs.value[SPACE_REG_SP] = STACK;
	cr_assert_null(cfi_apply(&row, &source, &regs, &cfa));
	cr_expect_not(regs.known & 1u << SPACE_REG_PC);
}

Test(unwind, where_the_return_address_cannot_be_read_is_an_error)
{
	struct cfi_row row;
	uint64_t cfa;
	WRITE_TABLE(0x00);
	cr_assert(find(FUNCTION, &row));
	regs.value[SPACE_REG_SP] = 0x900000;
	struct err *err = cfi_apply(&row, &source, &regs, &cfa);
	cr_expect(err_catch(&err, ERR_FAULT));
}

Test(unwind, programs_that_make_no_sense_are_errors)
{
	struct cfi_row row;
	uint8_t remember[64];
	WRITE_TABLE(0x0b); /* a state that was not remembered */
	cr_expect_not(find(FUNCTION, &row));
	WRITE_TABLE(0x3f); /* no such instruction */
	cr_expect_not(find(FUNCTION, &row));
	WRITE_TABLE(0x0c, 99, 8); /* CFA by register 99 */
	cr_expect_not(find(FUNCTION, &row));
	WRITE_TABLE(0x0f, 0xff, 0xff, 0x7f); /* an expression longer than all */
	cr_expect_not(find(FUNCTION, &row));
	WRITE_TABLE(0x0e); /* cut short */
	cr_expect_not(find(FUNCTION, &row));
	memset(remember, 0x0a, sizeof(remember));
	write_table(remember, sizeof(remember));
	cr_expect_not(find(FUNCTION, &row));
}

Test(unwind, offsets_that_overflow_are_only_wrong)
{
	struct cfi_row row;
	/* def_cfa_sf rsp, INT64_MIN * -8; val_offset_sf; negative_offset_extended */
	WRITE_TABLE(0x12, 7, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f, 0x15, 3,
		    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x2f, 3, 0x80, 0x80,
		    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1);
	cr_expect(find(FUNCTION, &row));
}

Test(unwind, no_more_is_read_than_may_be)
{
	struct cfi_row row;
	uint8_t nops[1024] = { 0 };
	write_table(nops, sizeof(nops));
	cr_expect(find(FUNCTION, &row));
	source.left = 1000;
	cr_expect_not(find(FUNCTION, &row));
	cr_expect_eq(source.left, 0);
	cr_expect_not(find(FUNCTION, &row));
	cr_expect_eq(EVAL(0x31), NONE);
	source.left = 1;
	cr_expect_eq(EVAL(0x31), 1);
}

Test(unwind, a_table_without_a_header_is_searched_all_the_same)
{
	struct cfi_row row;
	struct cfi_table bare = { .lo = BASE, .hi = BASE + 4096 };
	struct cfi_entry *index;
	WRITE_TABLE(0x41, 0x0e, 16);
	put_u32(table_bytes + (CIE - BASE), FDE - CIE - 4); /* one after the other */
	cr_assert_null(cfi_index(&bare, &source, CIE, 4096, &index, &bare.n));
	bare.index = index;
	cr_expect_eq(bare.n, 1);
	cr_assert_null(cfi_find(&bare, &source, FUNCTION + 9, &row));
	cr_expect_eq(row.cfa.offset, 16);
	struct err *err = cfi_find(&bare, &source, FUNCTION - 1, &row);
	cr_expect(err_catch(&err, ERR_NOT_FOUND));
	free(index);
}

Test(unwind, damage_to_a_table_is_never_more_than_an_error)
{
	struct cfi_row row;
	uint64_t cfa;
	for (size_t at = 0; at < 0xc0; at++)
		for (unsigned int value = 0; value < 256; value += at < 20 ? 1 : 5) {
			WRITE_TABLE(0x41, 0x0e, 16, 0x86, 2, 0x16, 3, 2, 0x77, 8, 0x0f, 2, 0x77,
				    16);
			table_bytes[at] = (uint8_t)value;
			regs.known = (1u << SPACE_REGS) - 1;
			regs.value[SPACE_REG_SP] = STACK;
			if (find(FUNCTION + 20, &row))
				err_drop(cfi_apply(&row, &source, &regs, &cfa));
		}
}

/* ---- a call of a bad pointer ---- */

/* The frame at a pc where nothing can run, with a return address behind @code. */
static bool was_called(const uint8_t *code, size_t len)
{
	struct native_frame f = { .exact = true };
	struct cfi_row row;
	uint64_t cfa, ra = BASE + 64;

	memset(table_bytes, 0, 64);
	memcpy(table_bytes + 64 - len, code, len);
	memcpy(stack_bytes, &ra, sizeof(ra));
	regs.value[SPACE_REG_SP] = STACK;
	regs.value[SPACE_REG_PC] = 0;
	f.regs = regs;
	if (!code_was_called(&mem, &f, &row))
		return false;
	cr_assert_null(cfi_apply(&row, &source, &regs, &cfa));
	cr_assert_eq(cfa, STACK + 8);
	cr_assert_eq(regs.value[SPACE_REG_PC], ra);
	return true;
}

#define CALLED(...) \
	was_called((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

Test(unwind, a_bad_pointer_was_called_if_the_return_address_stands_behind_a_call)
{
	cr_assert(CALLED(0xe8, 1, 2, 3, 4));
	cr_assert(CALLED(0xff, 0xd0));
	cr_assert(CALLED(0x41, 0xff, 0xd3));
	cr_assert(CALLED(0xff, 0x55, 0x10));
	cr_assert(CALLED(0xff, 0x94, 0xc5, 1, 2, 3, 4));
	cr_assert_not(CALLED(0xff, 0xe0), "a jump leaves no address");
	cr_assert_not(CALLED(0x90, 0x90));
}
