/* SPDX-License-Identifier: MIT */
/*
 * Python's frames between those of C, as a client unwinds them: from the words that it is
 * shown.  The frames of C here are made up; tests/mem/native has real ones.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "stub/mixed.h"

#define STACK  0x7ffc00000000ull
#define CODE   0x7f0000000000ull
#define PYTHON 0x7e0000000000ull
#define BRIDGE 0x7e0000000002ull
#define TID    77

/* ---- a thread: its stack, and who is on it ---- */

#define WORDS 0x20000u

static uint64_t stack[WORDS];
static struct mem mem;
static struct native_frame natives[4096];
static struct py_mixed_item items[400000];
static struct py_mixed both;
static struct mixed m;
static uint64_t unknown; /* the index of a Python frame that is not to be shown */
static bool several;	 /* a loop of this Python may run several frames */

static size_t read_stack(void *ctx, uint64_t addr, void *buf, size_t len)
{
	(void)ctx;
	if (addr < STACK || addr >= STACK + sizeof(stack))
		return 0;
	size_t there = (size_t)(STACK + sizeof(stack) - addr);
	memcpy(buf, (uint8_t *)stack + (addr - STACK), len < there ? len : there);
	return len < there ? len : there;
}

static const struct mem_ops ops = { .read = read_stack };

static uint64_t *word_at(uint64_t addr)
{
	return &stack[(addr - STACK) / 8];
}

static bool show(void *ctx, const struct py_mixed_item *item, struct mixed_frame *ret)
{
	(void)ctx;
	*ret = (struct mixed_frame){ .pc = PYTHON + 0x1000 + item->index * 2,
				     .locals = 0x7e2000000000ull + item->index };
	return item->index != unknown;
}

static void setup(void)
{
	for (size_t i = 0; i < WORDS; i++)
		stack[i] = 0x1111111111111111ull * (i % 13);
	cr_assert_null(mem_init(&mem, &ops, NULL, 8));
	both = (struct py_mixed){ .items = items, .native = { .frames = natives } };
	m = (struct mixed){ 0 };
	unknown = UINT64_MAX;
	several = false;
}

static void teardown(void)
{
	mixed_deinit(&m);
	mem_deinit(&mem);
}

TestSuite(mixed, .init = setup, .fini = teardown);

/* One more frame of C, of @size bytes; its caller's pc is on the stack. */
static void add_c(size_t size, int32_t loop)
{
	size_t n = both.native.n++;
	uint64_t sp = n ? natives[n - 1].cfa : STACK;

	natives[n] = (struct native_frame){ .pc = CODE + n * 16, .sp = sp, .cfa = sp + size };
	*word_at(natives[n].cfa - 8) = CODE + (n + 1) * 16;
	items[both.n++] =
		(struct py_mixed_item){ .kind = PY_MIXED_NATIVE, .index = n, .loop = loop };
}

static size_t npython; /* frames there are */

/* A loop that runs @n of Python's, in front of a function of C that it calls. */
static void add_python(size_t n)
{
	for (size_t i = 0; i < n; i++)
		items[both.n++] = (struct py_mixed_item){ .kind = PY_MIXED_PYTHON,
							  .index = npython++,
							  .loop = -1 };
	add_c(96, (int32_t)n);
}

static struct err *add(pid_t tid)
{
	const struct mixed_source src = { .tid = tid,
					  .stack = &both,
					  .mem = &mem,
					  .bridge = BRIDGE,
					  .several = several,
					  .frame = show };
	return mixed_add(&m, &src);
}

/* ---- a client ---- */

static uint64_t shown_word(uint64_t addr)
{
	uint8_t line[64];
	uint64_t start = addr - addr % sizeof(line), word;

	cr_assert(mixed_is_line(start, sizeof(line)));
	cr_assert_eq(mem_read_some(&mem, start, line, sizeof(line)), sizeof(line));
	mixed_patch(&m, start, line, sizeof(line));
	memcpy(&word, line + (addr - start), sizeof(word));
	return word;
}

/* A frame that a client comes by. */
struct seen {
	uint64_t pc, sp;
};

static size_t unwind(struct seen *ret, size_t max)
{
	uint64_t pc = natives[0].pc, sp = natives[0].sp;
	size_t n = 0;

	while (n < max) {
		ret[n++] = (struct seen){ pc, sp };
		if (pc >= CODE) {
			size_t k = (pc - CODE) / 16;
			if (k + 1 >= both.native.n)
				break;
			sp = natives[k].cfa;
			pc = shown_word(sp - 8);
			continue;
		}
		const struct synth_descriptor *d = mixed_descriptor(&m, sp);
		if (!d)
			break;
		pc = d->ra;
		sp = d->cfa;
	}
	return n;
}

/* The order in which frames of C and Python lie: each loop's before it. */
static void expect_unwound(void)
{
	size_t max = both.n * 2 + 2, at = 0;
	struct seen *seen = calloc(max, sizeof(*seen));
	size_t nseen = unwind(seen, max);
	size_t first = 0; /* of the group whose loop comes next */

	for (size_t i = 0; i < both.n; i++) {
		if (items[i].kind != PY_MIXED_NATIVE)
			continue;
		const struct native_frame *c = &natives[items[i].index];
		size_t n = i - first;
		cr_assert_eq(seen[at].pc, c->pc, "C frame %zu", items[i].index);
		cr_assert_eq(seen[at].sp, c->sp);
		at++;
		for (size_t k = 0; k < n; k++, at++) {
			cr_assert_eq(seen[at].pc, PYTHON + 0x1000 + items[first + k].index * 2);
			cr_assert(k ? seen[at].sp > seen[at - 1].sp : seen[at].sp == c->cfa);
			cr_assert_eq(mixed_descriptor(&m, seen[at].sp)->locals,
				     0x7e2000000000ull + items[first + k].index);
			cr_assert(seen[at].sp % 8 == 0);
		}
		if (n > 1 || (n && several))
			cr_assert_eq(seen[at++].pc, BRIDGE);
		first = i + 1;
	}
	cr_assert_eq(at, nseen);
	free(seen);
}

Test(mixed, a_loop_with_one_frame_shows_it_in_front_of_its_caller)
{
	add_c(32, -1);
	add_python(1);
	add_c(64, -1);
	cr_assert_null(add(TID));
	expect_unwound();
}

Test(mixed, frames_of_several_loops_lie_where_they_ran)
{
	static const size_t of[] = { 1, 2, 7, 8, 9, 1, 100, 3 };

	add_c(32, -1);
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		add_python(of[i]);
		add_c(16 + 8 * i, -1);
	}
	cr_assert_null(add(TID));
	cr_assert_eq(m.nloops, sizeof(of) / sizeof(of[0]));
	expect_unwound();
}

Test(mixed, a_loop_may_run_as_many_frames_as_are_shown_of_a_thread)
{
	add_c(32, -1);
	add_python(20000);
	add_c(32, -1);
	cr_assert_null(add(TID));
	expect_unwound();
}

Test(mixed, thousands_of_loops_are_one_stack)
{
	add_c(32, -1);
	for (size_t i = 0; i < 1500; i++) {
		add_python(1 + i % 5);
		add_c(48, -1);
	}
	cr_assert_null(add(TID));
	expect_unwound();
}

Test(mixed, places_stay_from_stop_to_stop)
{
	add_c(32, -1);
	add_python(3);
	add_c(32, -1);
	cr_assert_null(add(TID));
	uint64_t far = mixed_place(&m.loops[0], 1);
	for (size_t i = 0; i < 100; i++) {
		mixed_forget(&m);
		cr_expect_null(mixed_descriptor(&m, far));
		cr_assert_null(add(TID));
		cr_expect_eq(mixed_place(&m.loops[0], 1), far);
	}
}

/* Where the caller of each frame of the first loop lies: by that a client knows it again. */
static size_t callers(uint64_t *ret)
{
	const struct mixed_loop *l = &m.loops[0];
	uint64_t sp = l->sp;
	size_t n = mixed_length(l);

	for (size_t i = 0; i < n; i++)
		ret[i] = sp = mixed_descriptor(&m, sp)->cfa;
	return n;
}

Test(mixed, frames_keep_their_places_when_those_that_they_called_are_gone)
{
	uint64_t first[8], now[8];

	several = true;
	add_c(32, -1);
	add_python(5);
	add_c(32, -1);
	cr_assert_null(add(TID));
	cr_assert_eq(callers(first), 6);
	for (size_t n = 4; n; n--) {
		mixed_forget(&m);
		memmove(&items[1], &items[2], (both.n - 2) * sizeof(*items));
		items[n + 1].loop = (int32_t)n;
		both.n--;
		cr_assert_null(add(TID));
		cr_assert_eq(callers(now), n + 1);
		cr_expect_arr_eq(now, &first[5 - n], (n + 1) * sizeof(*now));
		expect_unwound();
	}
}

Test(mixed, the_innermost_frame_has_a_place_where_c_cannot_write)
{
	several = true;
	add_c(32, -1);
	add_python(2);
	add_c(32, -1);
	cr_assert_null(add(TID));
	const struct mixed_loop *l = &m.loops[0];
	uint64_t place = mixed_place(l, 0);
	cr_expect_geq(place, MIXED_FAR);
	cr_expect_eq(mixed_descriptor(&m, place), mixed_descriptor(&m, l->sp));
	cr_expect(mixed_has_place(&m, place));
	cr_expect_not(mixed_has_place(&m, l->sp));
	cr_expect(mixed_waits_at(&m, l, mixed_descriptor(&m, place)->ra));
	cr_expect(mixed_waits_at(&m, l, BRIDGE));
	cr_expect_not(mixed_waits_at(&m, l, l->pc));
	cr_expect(mixed_waits_at(&m, l, l->ra));
	cr_expect_not(mixed_waits_at(&m, l, l->ra + 1));
}

Test(mixed, threads_come_in_any_order)
{
	add_c(32, -1);
	add_python(2);
	add_c(32, -1);
	cr_assert_null(add(TID));
	/* The same again, lower: another thread's. */
	uint64_t low = natives[1].cfa;
	for (size_t i = 0; i < both.native.n; i++) {
		natives[i].sp += 0x10000;
		natives[i].cfa += 0x10000;
		*word_at(natives[i].cfa - 8) = CODE + (i + 1) * 16;
	}
	cr_assert_null(add(TID + 1));
	cr_assert_null(mixed_find(&m, low + 8));
	cr_expect_eq(mixed_find(&m, low)->tid, TID);
	cr_expect_eq(mixed_find(&m, low + 0x10000)->tid, TID + 1);
	expect_unwound();
	cr_expect_neq(m.loops[0].top, m.loops[1].top);
}

/* ---- what does not fit ---- */

static void expect_nothing(const char *why)
{
	size_t nloops = m.nloops, nchain = m.nchain;
	struct err *err = add(TID);

	cr_assert_not_null(err);
	cr_expect_eq(err->code, ERR_STATE, "%s", err->msg);
	cr_expect(strstr(err->msg, why), "%s", err->msg);
	err_drop(err);
	cr_expect_eq(m.nloops, nloops);
	cr_expect_eq(m.nchain, nchain);
}

Test(mixed, stacks_that_do_not_fit_together_are_not_shown_as_one)
{
	add_c(32, -1);
	add_python(2);
	add_c(32, -1);
	both.mismatch = "two loops seem to be one C frame";
	expect_nothing("two loops seem");
	both.mismatch = NULL;
	both.apart = true;
	expect_nothing("fit");
}

Test(mixed, frames_without_a_loop_are_not_shown)
{
	add_c(32, -1);
	add_python(2);
	add_c(32, -1);
	items[both.n - 2].loop = 1;
	expect_nothing("no one runs them");
	items[both.n - 2].loop = -1;
	expect_nothing("no one runs them");
	items[both.n - 2] = (struct py_mixed_item){ .kind = PY_MIXED_CUT };
	both.native.cut = "no table says how to go on";
	expect_nothing("no table says how to go on");
	both.n -= 2;
	expect_nothing("no frame of C runs");
}

Test(mixed, a_stack_that_changed_since_it_was_walked_is_left_alone)
{
	add_c(32, -1);
	add_python(1);
	add_c(32, -1);
	add_python(1);
	add_c(32, -1);
	*word_at(natives[3].cfa - 8) = 5;
	expect_nothing("not as it seemed");
}

Test(mixed, a_loop_that_is_the_last_frame_known_is_left_alone)
{
	add_c(32, -1);
	add_python(1);
	expect_nothing("end before");
}

Test(mixed, a_frame_whose_function_the_client_cannot_name_leaves_the_thread_as_it_is)
{
	add_c(32, -1);
	add_python(2);
	add_c(32, -1);
	add_python(2);
	add_c(32, -1);
	unknown = npython - 1;
	expect_nothing("library");
}

Test(mixed, a_stack_pointer_that_is_nowhere_is_refused)
{
	static const uint64_t nowhere[] = {
		0,	     8,		  MIXED_STACKS_LOW - 8, MIXED_STACKS_HIGH, UINT64_MAX - 7,
		STACK + 100, STACK - 4096
	};

	add_c(32, -1);
	add_python(1);
	add_c(32, -1);
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		natives[1].cfa = nowhere[i];
		struct err *err = add(TID);
		cr_expect_not_null(err);
		err_drop(err);
		cr_expect_eq(m.nloops, 0);
	}
}

Test(mixed, two_loops_in_one_frame_of_c_are_refused)
{
	add_c(32, -1);
	add_python(1);
	add_c(32, -1);
	cr_assert_null(add(TID));
	struct err *err = add(TID + 1);
	cr_assert_not_null(err);
	err_drop(err);
	cr_expect_eq(m.nloops, 1);
	expect_unwound();
}

Test(mixed, bounds_hold)
{
	add_c(32, -1);
	add_python(MIXED_LOOP_MAX + 1);
	add_c(32, -1);
	expect_nothing("too many");
}

/* ---- memory ---- */

Test(mixed, only_lines_of_an_unwinder_are_lines)
{
	static const struct {
		uint64_t addr;
		size_t len;
		bool line;
	} reads[] = {
		{ STACK, 64, true },	       { STACK + 64, 64, true },
		{ STACK, 128, true },	       { STACK + 512, 512, true },
		{ STACK + 256, 512, false },   { STACK + 8, 64, false },
		{ STACK, 8, false },	       { STACK, 32, false },
		{ STACK, 72, false },	       { STACK, 1024, false },
		{ STACK, 4096, false },	       { STACK, 0, false },
		{ UINT64_MAX - 63, 64, true }, { STACK + 1, 63, false },
	};

	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
		cr_expect_eq(mixed_is_line(reads[i].addr, reads[i].len), reads[i].line, "%zu", i);
}

Test(mixed, any_part_of_a_word_is_shown_and_nothing_beside_it)
{
	add_c(32, -1);
	add_python(1);
	add_c(32, -1);
	cr_assert_null(add(TID));
	uint64_t word = m.loops[0].sp - 8;
	uint8_t all[64], part[64], own[64];
	cr_assert_null(mem_read(&mem, word - 24, all, sizeof(all)));
	memcpy(own, all, sizeof(own));
	cr_assert_eq(mixed_patch(&m, word - 24, all, sizeof(all)), 1);
	cr_expect_arr_eq(all, own, 24);
	cr_expect_arr_eq(all + 24, &m.loops[0].pc, 8);
	cr_expect_arr_eq(all + 32, own + 32, 32);
	for (size_t from = 0; from < sizeof(all); from++)
		for (size_t len = 0; from + len <= sizeof(all); len++) {
			memcpy(part, own + from, len);
			mixed_patch(&m, word - 24 + from, part, len);
			cr_assert(memcmp(part, all + from, len) == 0, "%zu %zu", from, len);
		}
}

Test(mixed, what_a_client_was_shown_is_never_written)
{
	uint8_t bytes[32];
	uint64_t part, other = 0x4242424242424242ull;

	add_c(32, -1);
	add_python(1);
	add_c(32, -1);
	cr_assert_null(add(TID));
	const struct mixed_loop *l = &m.loops[0];
	memset(bytes, 0x55, sizeof(bytes));
	memcpy(bytes + 8, &l->pc, 8);
	cr_expect_not(mixed_translate(&m, l->sp - 16, bytes, sizeof(bytes), &part));
	cr_expect_eq(part, 0);
	cr_expect_arr_eq(bytes + 8, &l->ra, 8);
	cr_expect_eq(bytes[7], 0x55);
	cr_expect_eq(bytes[16], 0x55);
	/* Another address is what the user wants. */
	memcpy(bytes + 8, &other, 8);
	cr_expect(mixed_translate(&m, l->sp - 16, bytes, sizeof(bytes), &part));
	cr_expect_arr_eq(bytes + 8, &other, 8);
	cr_expect_eq(part, 0);
	cr_expect(mixed_translate(&m, l->sp - 5, bytes, 3, &part));
	cr_expect_eq(part, l->sp - 8);
	cr_expect(mixed_translate(&m, l->sp - 12, bytes, 8, &part));
	cr_expect_eq(part, l->sp - 8);
	cr_expect_not(mixed_translate(&m, l->sp, bytes, sizeof(bytes), &part));
	cr_expect_not(mixed_translate(&m, l->sp - 40, bytes, 32, &part));
	cr_expect_eq(part, 0);
}

Test(mixed, of_a_wrong_stack_pointer_there_is_no_frame)
{
	add_c(32, -1);
	add_python(3);
	add_c(32, -1);
	cr_assert_null(add(TID));
	const struct mixed_loop *l = &m.loops[0];
	static const int64_t off[] = { -1, 1, -8, 4 };
	for (size_t i = 0; i < 4; i++) {
		cr_expect_null(mixed_descriptor(&m, l->sp + (uint64_t)off[i]));
		if (off[i] != -8)
			cr_expect_null(mixed_descriptor(&m, mixed_place(l, 2) + (uint64_t)off[i]));
	}
	cr_expect_null(mixed_descriptor(&m, mixed_place(l, 4)));
	cr_expect_null(mixed_descriptor(&m, MIXED_FAR_END));
	cr_expect_null(mixed_descriptor(&m, MIXED_FAR_END - 8));
	cr_expect_null(mixed_descriptor(&m, UINT64_MAX));
	cr_expect_null(mixed_descriptor(&m, 0));
}
