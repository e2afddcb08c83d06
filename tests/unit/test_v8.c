/* SPDX-License-Identifier: MIT */
/* V8's tables of positions, of bytecodes and of deoptimizations, and its heap. */
#include <criterion/criterion.h>
#include <string.h>

#include "qxfer/v8/positions.h"
#include "qxfer/v8/scripts.h"
#include "qxfer/v8/translation.h"

#define BYTES(...)                                                                   \
	(struct v8_bytes)                                                            \
	{                                                                            \
		(const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }) \
	}

/* ---- positions ---- */

/* Offset 0 is a statement at 4, 3 an expression at 9, 10 a statement at 2: differences, zigzag. */
#define TABLE 2, 20, 7, 20, 14, 27

Test(v8, a_position_is_the_last_one_at_or_before_the_offset)
{
	const struct v8_bytes table = BYTES(TABLE);
	int64_t at;
	cr_assert(position_find(table, 0, &at));
	cr_assert_eq(position_offset(at), 4);
	cr_assert(position_find(table, 2, &at));
	cr_assert_eq(position_offset(at), 4);
	cr_assert(position_find(table, 3, &at));
	cr_assert_eq(position_offset(at), 9);
	cr_assert(position_find(table, 1000, &at));
	cr_assert_eq(position_offset(at), 2);
	cr_assert_eq(position_inlining(at), -1);
}

Test(v8, before_the_first_position_there_is_none)
{
	int64_t at;
	cr_assert_not(position_find(BYTES(8, 20), 2, &at));
	cr_assert_not(position_find((struct v8_bytes){ NULL, 0 }, 2, &at));
}

Test(v8, a_table_of_positions_that_is_cut_is_none)
{
	int64_t at;
	cr_assert_not(position_find(BYTES(2, 20, 0x87), 100, &at));
	cr_assert_not(position_find(
		BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), 100,
		&at));
}

/* ---- baseline code ---- */

#define COUNT 130u

static void make_sizes(uint8_t bytes[3 * COUNT])
{
	static const uint8_t begin[3][11] = {
		{ 1, 1, 1, 1, 1, 2, 3, 4, 5, 5, 6 },
		{ 1, 1, 1, 1, 1, 3, 5, 7, 9, 7, 9 },
		{ 1, 1, 1, 1, 1, 5, 9, 13, 17, 11, 15 },
	};
	for (size_t i = 0; i < 3; i++) {
		memset(bytes + i * COUNT, (int)(2 + i), COUNT);
		memcpy(bytes + i * COUNT, begin[i], sizeof(begin[i]));
	}
}

Test(v8, the_table_of_sizes_is_known_by_how_its_rows_begin)
{
	uint8_t bytes[3 * COUNT];
	struct v8_bytecode_sizes sizes = { .n = 0 };
	make_sizes(bytes);
	cr_assert(bytecode_sizes_parse(bytes, sizeof(bytes), &sizes));
	cr_assert_eq(sizes.n, COUNT);
	cr_assert_eq(sizes.size[2][8], 17);
	cr_assert_not(bytecode_sizes_parse(bytes, sizeof(bytes) - 1, &sizes));
	bytes[COUNT + 6]++;
	cr_assert_not(bytecode_sizes_parse(bytes, sizeof(bytes), &sizes));
}

Test(v8, a_return_address_in_baseline_code_is_of_the_bytecode_before_it)
{
	uint8_t bytes[3 * COUNT];
	struct v8_bytecode_sizes sizes = { .n = 0 };
	make_sizes(bytes);
	cr_assert(bytecode_sizes_parse(bytes, sizeof(bytes), &sizes));
	/* The prologue is 10 bytes, the bytecodes' code 4, 200 and 6; the second has a prefix. */
	const struct v8_bytes table = BYTES(10, 4, 0xc8, 1, 6),
			      code = BYTES(20, 7, 0, 20, 7, 7, 21, 0);
	static const struct {
		uint64_t pc;
		int32_t offset;
	} want[] = { { 10, -1 }, { 11, 0 },  { 14, 0 },	 { 15, 2 },
		     { 214, 2 }, { 215, 6 }, { 221, -2 } };
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		cr_assert_eq(baseline_offset(table, code, &sizes, want[i].pc), want[i].offset,
			     "pc %d", (int)want[i].pc);
}

Test(v8, bytecodes_that_V8_does_not_have_end_the_search)
{
	struct v8_bytecode_sizes sizes = { .n = 3 };
	cr_assert_eq(baseline_offset(BYTES(1, 1, 1), BYTES(200), &sizes, 3), -2);
	cr_assert_eq(baseline_offset(BYTES(1, 1, 1), BYTES(0), &sizes, 3), -2);
}

/* ---- translations ---- */

Test(v8, a_translation_has_the_frames_outermost_first)
{
	/* V8 13.6: two frames of the interpreter, the second one's function is a literal. */
	const struct v8_bytes t =
		BYTES(14, 0, 4, 4, 1, 34, 2, 0, 4, 40, 6, 37, 1, 10, 6, 0, 2, 38, 12);
	struct v8_virtual_frame f[TRANSLATION_FRAMES_MAX];
	cr_assert_eq(translation_read(t, 0, 3, f), 2);
	cr_assert_eq(f[0].offset, 17);
	cr_assert_eq(f[0].shared, 1);
	cr_assert_eq(f[0].stack_slot, 3);
	cr_assert_eq(f[1].offset, 5);
	cr_assert_eq(f[1].shared, 3);
	cr_assert_eq(f[1].function, 6);
}

Test(v8, a_translation_repeats_what_an_earlier_one_has)
{
	/* The second one begins so too, but for its offset; four commands of the first follow. */
	const struct v8_bytes t =
		BYTES(14, 0, 4, 4, 1, 34, 2, 0, 4, 40, 6, 37, 1, 10, 6, 0, 2, 38, 12,
		      /* at 19 */ 14, 19, 4, 4, 1, 36, 2, 0, 4, 45 + 4);
	struct v8_virtual_frame f[TRANSLATION_FRAMES_MAX];
	cr_assert_eq(translation_read(t, 19, 3, f), 2);
	cr_assert_eq(f[0].offset, 18);
	cr_assert_eq(f[0].stack_slot, 3);
	cr_assert_eq(f[1].offset, 5);
	cr_assert_eq(f[1].function, 6);
}

Test(v8, opcodes_of_V8_10_are_operands_like_others)
{
	const struct v8_bytes t = BYTES(6, 2, 2, 0, 36, 34, 4, 0, 0, 0, 44, 6);
	struct v8_virtual_frame f[TRANSLATION_FRAMES_MAX];
	cr_assert_eq(translation_read(t, 0, 0, f), 1);
	cr_assert_eq(f[0].offset, 17);
	cr_assert_eq(f[0].shared, 2);
	cr_assert_eq(f[0].function, 3);
}

Test(v8, a_translation_that_contradicts_itself_is_none)
{
	struct v8_virtual_frame f[TRANSLATION_FRAMES_MAX];
	cr_assert_eq(translation_read(BYTES(14, 0, 4, 4, 1, 34, 2, 0, 4, 40, 6), 0, 3, f), 0);
	cr_assert_eq(translation_read(BYTES(14, 9, 4, 4, 45 + 9), 0, 3, f), 0);
	cr_assert_eq(translation_read(BYTES(14, 0, 4, 4), 9, 3, f), 0);
	cr_assert_eq(translation_read(BYTES(1, 34, 2, 0, 4), 0, 3, f), 0);
	cr_assert_eq(translation_read(BYTES(14, 0, 0xff, 0xff, 0xff, 0xff, 7), 0, 3, f), 0);
	cr_assert_eq(translation_read(BYTES(14, 0, 4, 4), 0, 4, f), 0);
}

Test(v8, a_safepoint_is_found_by_its_return_address_or_its_trampoline)
{
	/* Two entries: offsets of two bytes, numbers of one. */
	const struct v8_bytes t =
		BYTES(2, 0, 0, 0, 0xa1, 0, 0, 0, 0x3e, 1, 14, 0x81, 3, 0x40, 1, 0, 0, 0);
	const struct safepoint_shape shape = { .count_at = 0, .header = 8 };
	cr_assert_eq(safepoint_find(t, &shape, 0x13e), 13);
	cr_assert_eq(safepoint_find(t, &shape, 0x380), 13);
	cr_assert_eq(safepoint_find(t, &shape, 0x140), -1);
	cr_assert_eq(safepoint_find(t, &shape, 0x13f), -1);
	cr_assert_eq(safepoint_find((struct v8_bytes){ t.p, t.len - 1 }, &shape, 0x13e), -1);
	cr_assert_eq(safepoint_find((struct v8_bytes){ t.p, 7 }, &shape, 0x13e), -1);
}

/* ---- the heap ---- */

#define HEAP 0x100000ull
#define SIZE 0x4000u

struct fake_heap {
	uint8_t bytes[SIZE];
	struct mem mem;
	struct v8_layout layout;
	struct v8_heap heap;
	uint64_t next;
};

static size_t fake_read(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct fake_heap *h = ctx;
	if (addr < HEAP || addr >= HEAP + SIZE)
		return 0;
	size_t n = HEAP + SIZE - addr < len ? (size_t)(HEAP + SIZE - addr) : len;
	memcpy(buf, h->bytes + (addr - HEAP), n);
	return n;
}

static const struct mem_ops fake_ops = { .read = fake_read };

static void put(struct fake_heap *h, uint64_t object, int offset, uint64_t value)
{
	memcpy(h->bytes + (object - 1 - HEAP) + offset, &value, sizeof(value));
}

static uint64_t smi(int32_t v)
{
	return (uint64_t)(uint32_t)v << 32;
}

/* An object with a map of its own. */
static uint64_t make(struct fake_heap *h, int type, size_t size)
{
	uint64_t map = h->next + 1, object = map + 64;
	h->next += 64 + (size + 15) / 16 * 16;
	cr_assert_lt(h->next, HEAP + SIZE);
	put(h, map, 0, map);
	put(h, map, 8, (uint64_t)type << 32);
	put(h, object, 0, map);
	return object;
}

static uint64_t make_string(struct fake_heap *h, const char *text)
{
	uint64_t s = make(h, 8, 16 + strlen(text) + 8);
	put(h, s, 8, (uint64_t)strlen(text) << 32);
	memcpy(h->bytes + (s - 1 - HEAP) + 16, text, strlen(text));
	return s;
}

static void begin(struct fake_heap *h)
{
	*h = (struct fake_heap){ .next = HEAP };
	struct err *err = mem_init(&h->mem, &fake_ops, h, 8);
	cr_assert_null(err);
	cr_assert(v8_layout_row(1, &h->layout));
	h->heap = (struct v8_heap){ &h->mem, &h->layout };
}

static uint64_t make_cons(struct fake_heap *h, uint64_t first, uint64_t second, uint32_t len)
{
	uint64_t s = make(h, 9, 32);
	put(h, s, 8, (uint64_t)len << 32);
	put(h, s, 16, first);
	put(h, s, 24, second);
	return s;
}

Test(v8, a_string_is_put_together_from_its_parts)
{
	struct fake_heap h;
	begin(&h);
	uint64_t whole = make_cons(&h, make_string(&h, "scri"), make_string(&h, "pt.js"), 9);
	uint64_t slice = make(&h, 11, 32);
	put(&h, slice, 8, 5ull << 32);
	put(&h, slice, 16, whole);
	put(&h, slice, 24, smi(2));
	_cleanup_buf_ struct buf out = { 0 };
	cr_assert(heap_put_string(&h.heap, slice, 100, &out));
	buf_put(&out, "", 1);
	cr_assert_str_eq((char *)out.data, "ript.");
	mem_deinit(&h.mem);
}

Test(v8, a_string_that_is_a_part_of_itself_ends)
{
	struct fake_heap h;
	begin(&h);
	uint64_t s = make_cons(&h, 0, 0, 9);
	put(&h, s, 16, s);
	put(&h, s, 24, s);
	_cleanup_buf_ struct buf out = { 0 };
	cr_assert_not(heap_put_string(&h.heap, s, 100, &out));
	mem_deinit(&h.mem);
}

static uint64_t make_script(struct fake_heap *h, const char *name, const char *source)
{
	const int16_t *v = h->layout.value;
	uint64_t script = make(h, v[V8_T_SCRIPT], 160);
	put(h, script, v[V8_SCRIPT_NAME], make_string(h, name));
	put(h, script, v[V8_SCRIPT_SOURCE], make_string(h, source));
	put(h, script, v[V8_SCRIPT_LINE_OFFSET], smi(10));
	put(h, script, v[V8_SCRIPT_COLUMN_OFFSET], smi(5));
	return script;
}

Test(v8, a_function_has_its_name_and_its_places_in_the_script)
{
	struct fake_heap h;
	struct arena arena = { 0 };
	begin(&h);
	const int16_t *v = h.layout.value;
	uint64_t shared = make(&h, v[V8_T_SHARED], 64);
	put(&h, shared, v[V8_SHARED_NAME], make_string(&h, "f\n"));
	put(&h, shared, v[V8_SHARED_SCRIPT], make_script(&h, "/a.js", "ab\r\ncd\re\nf"));
	struct v8_scripts s = { .heap = h.heap, .arena = &arena };
	struct v8_function *f = scripts_function(&s, shared);
	cr_assert_not_null(f);
	cr_assert_str_eq(f->name, "f\\n");
	cr_assert_str_eq(f->script->name, "/a.js");
	static const struct {
		int32_t position, line, column;
	} want[] = { { 0, 11, 6 }, { 3, 11, 9 },  { 4, 12, 1 }, { 7, 13, 1 },
		     { 9, 14, 1 }, { 10, 14, 2 }, { 11, 0, 0 } };
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct v8_place at = scripts_place(&s, f->script, want[i].position);
		cr_assert_eq(at.line, want[i].line, "line of %d: %d", want[i].position, at.line);
		cr_assert_eq(at.column, want[i].column, "column of %d", want[i].position);
	}
	cr_assert_eq(scripts_function(&s, shared), f);
	cr_assert_null(scripts_function(&s, f->script->addr));
	scripts_deinit(&s);
	arena_deinit(&arena);
	mem_deinit(&h.mem);
}

Test(v8, a_script_whose_line_ends_do_not_ascend_is_counted)
{
	struct fake_heap h;
	struct arena arena = { 0 };
	begin(&h);
	const int16_t *v = h.layout.value;
	uint64_t script = make_script(&h, "", "a\nb"), ends = make(&h, v[V8_T_FIXED_ARRAY], 48);
	put(&h, ends, 8, smi(2));
	put(&h, ends, 16, smi(3));
	put(&h, ends, 24, smi(1));
	put(&h, script, v[V8_SCRIPT_LINE_ENDS], ends);
	struct v8_scripts s = { .heap = h.heap, .arena = &arena };
	struct v8_script info = { .addr = script };
	cr_assert_eq(scripts_place(&s, &info, 2).line, 2);
	cr_assert_eq(info.nlines, 2);
	arena_deinit(&arena);
	mem_deinit(&h.mem);
}

Test(v8, an_object_that_is_being_moved_is_followed)
{
	struct fake_heap h;
	begin(&h);
	uint64_t to = make_string(&h, "here"), from = make(&h, 8, 32);
	put(&h, from, 0, to - 1);
	cr_assert(heap_is_string(&h.heap, &from));
	cr_assert_eq(from, to);
	mem_deinit(&h.mem);
}
