/* SPDX-License-Identifier: MIT */
/*
 * Memory made up to keep the walker busy for ever: threads without end that share
 * frames without end, whose code objects are all different and as long as can be.
 */
#include <criterion/criterion.h>

#include "qxfer/python.h"
#include "qxfer/python/state.h"

enum {
	RUNTIME = 0x1000,
	INTERP = 0x10000000,
	INTERP_STEP = 0x1000000,
	IDENT = 5,
};
#define THREADS	   0x100000000000ull
#define FRAMES	   0x200000000000ull
#define CODES	   0x300000000000ull
#define STEP	   0x1000u
#define TYPE	   0x400000000000ull
#define FRAME_TYPE (TYPE + STEP)
#define NAME_AT	   0x400u
#define TEXTS	   0x500000000000ull
#define CFRAME	   0x600000000000ull
#define PER_KIND   0x100000000000ull

static struct hostile {
	struct py_offsets off;
	uint8_t owner;
	uint64_t text_len, lines_len;
} hostile;

static struct mem mem;
static struct maps maps;
static const struct space_thread thread = { .tid = 7, .tp = IDENT };
static struct space space = {
	.mem = &mem, .maps = &maps, .threads = &thread, .nthreads = 1, .epoch = 1
};
static struct python *py;
static struct buf out;

static uint64_t interp_word(uint64_t at, uint64_t addr)
{
	const struct py_offsets *off = &hostile.off;
	if (at == off->interp.next)
		return addr - at + INTERP_STEP;
	if (at == off->interp.threads_head)
		return THREADS + (addr - at);
	return at == off->interp.id ? 1 : 0;
}

/* Each interpreter has its own threads, 4096 bytes apart. */
static uint64_t thread_word(uint64_t addr)
{
	const struct py_offsets *off = &hostile.off;
	uint64_t at = addr % STEP;
	if (at == off->tstate.next)
		return addr - at + STEP;
	if (at == off->tstate.interp)
		return (addr - THREADS) / INTERP_STEP * INTERP_STEP;
	if (at == off->tstate.thread_id)
		return IDENT;
	if (at != off->tstate.frame)
		return 0;
	return off->cframe.current_frame == PY_NONE ? FRAMES : CFRAME;
}

/* The one of the first thread; the outermost lies in its thread state. */
static uint64_t cframe_word(uint64_t at)
{
	if (at == hostile.off.cframe.current_frame)
		return FRAMES;
	return at == hostile.off.cframe.previous ? THREADS + INTERP + hostile.off.cframe.root : 0;
}

static uint64_t frame_word(uint64_t addr)
{
	const struct py_offsets *off = &hostile.off;
	uint64_t at = addr % STEP;
	if (at == off->frame.previous)
		return addr - at + STEP;
	if (at == off->object.type && off->lasti_unit)
		return FRAME_TYPE;
	if (at == off->frame.code)
		return CODES + (addr - at - FRAMES);
	return at == (off->frame.owner & ~7u) ? 0x0101010101010101ull * hostile.owner : 0;
}

static uint64_t code_word(uint64_t addr)
{
	const struct py_offsets *off = &hostile.off;
	uint64_t at = addr % STEP, text = TEXTS + (addr - at - CODES);
	if (at == off->object.type)
		return TYPE;
	if (at == off->code.linetable)
		return text + STEP / 2;
	if (at == off->code.name || at == off->code.filename)
		return text;
	return at == off->object.var_size ? 100 : 0;
}

/* A str in the first half of each page, bytes in the second. */
static uint64_t text_word(uint64_t addr)
{
	const struct py_offsets *off = &hostile.off;
	uint64_t at = addr % STEP;
	if (at == off->str.length)
		return hostile.text_len;
	if (at == off->str.state)
		return 4 << 2 | 1 << 5; /* four bytes a character, compact */
	if (at == STEP / 2 + off->bytes.size)
		return hostile.lines_len;
	return 0x0000200b0000200bull;
}

/* The types of code and, to 3.10, of frame objects. */
static uint64_t type_word(uint64_t addr)
{
	uint64_t text = 0, at = addr % STEP;
	if (at == hostile.off.type.name)
		return addr - at + NAME_AT;
	if (at == NAME_AT)
		memcpy(&text, addr < FRAME_TYPE ? "code\0\0\0" : "frame\0\0", sizeof(text));
	return text;
}

static uint64_t word(uint64_t addr)
{
	switch (addr / PER_KIND) {
	case 0:
		if (addr < INTERP)
			return addr == RUNTIME + hostile.off.runtime.interpreters_head ? INTERP : 0;
		return interp_word(addr % INTERP_STEP, addr);
	case 1:
		return thread_word(addr);
	case 2:
		return frame_word(addr);
	case 3:
		return code_word(addr);
	case 4:
		return type_word(addr);
	case 6:
		return cframe_word(addr - CFRAME);
	default:
		return text_word(addr);
	}
}

static size_t read_word_by_word(void *ctx, uint64_t addr, void *buf, size_t len)
{
	uint8_t *p = buf;
	(void)ctx;
	for (size_t done = 0; done < len;) {
		uint64_t v = word(addr & ~7ull);
		size_t at = addr & 7, n = 8 - at < len - done ? 8 - at : len - done;
		memcpy(p + done, (uint8_t *)&v + at, n);
		done += n;
		addr += n;
	}
	return len;
}

static size_t one_reg(void *ctx, pid_t tid, uint64_t *ret, size_t n)
{
	(void)ctx;
	(void)tid;
	*ret = FRAMES;
	return n != 0;
}

static const struct mem_ops ops = { .read = read_word_by_word };

static void setup(void)
{
	hostile.off = *py_offsets_find(0x030d0000, PY_BUILD_GIL);
	cr_assert_null(mem_init(&mem, &ops, NULL, 8));
	mem_deinit(&mem); /* whole pages of it are too dear to make up */
	cr_assert_null(python_create(&py));
	py->rt = (struct py_runtime){ .addr = RUNTIME, .verified = true, .off = hostile.off };
	py->epoch = space.epoch;
	py->found = true;
}

static void teardown(void)
{
	python_destroy(py);
	mem_deinit(&mem);
	buf_deinit(&out);
}
TestSuite(python_hostile, .init = setup, .fini = teardown, .timeout = 60);

static const struct py_snapshot *walk(void)
{
	const struct py_snapshot *snap;
	struct err *err = python_walk(py, &space, NULL, &snap);
	cr_assert_null(err, "%s", err ? err->msg : "");
	return snap;
}

Test(python_hostile, interpreters_and_threads_without_end_are_cut)
{
	hostile.owner = 3;
	const struct py_snapshot *snap = walk();
	cr_expect_eq(snap->ninterps, PY_INTERPS_MAX);
	cr_expect_not_null(snap->corrupt);
	cr_expect_eq(snap->nthreads, PY_THREADS_MAX);
	cr_expect_eq(snap->nframes, 0);
}

Test(python_hostile, frames_without_end_are_cut_for_one_thread_and_for_all)
{
	hostile.text_len = 1;
	space.thread_regs = one_reg;
	for (size_t i = 0; i < py_offsets_rows; i++) {
		hostile.off = py->rt.off = py_offsets_table[i];
		space.epoch = ++py->epoch;
		mem_invalidate(&mem);
		const struct py_snapshot *snap = walk();
		cr_expect_eq(snap->threads[0].nframes, PY_FRAMES_MAX, "row %zu", i);
		cr_expect_not_null(snap->threads[0].corrupt);
		cr_expect_leq(snap->nframes, PY_ALL_FRAMES_MAX);
	}
}

Test(python_hostile, texts_and_tables_without_end_are_cut)
{
	hostile.text_len = UINT32_MAX;
	hostile.lines_len = PY_LINETABLE_MAX;
	const struct py_snapshot *snap = walk();
	cr_expect_leq(py->codes.bytes, PY_CODES_BYTES + 2ull * PY_LINETABLE_MAX);
	cr_expect_not(snap->frames[0].corrupt);
	cr_expect(snap->frames[snap->threads[0].nframes - 1].corrupt);
}

Test(python_hostile, one_thread_asked_for_among_too_many_is_not_found)
{
	hostile.owner = 3;
	struct err *err = python_bt_text(
		&(struct python_view){ .py = py, .space = &space, .tid = 42 }, "", &out);
	cr_assert(err_catch(&err, ERR_NOT_FOUND));
}
