/* SPDX-License-Identifier: MIT */
/*
 * The memory of virtual threads.  A stack has nothing but return addresses; the rest of
 * a frame is in its descriptor and its slots (qxfer/synth/synth.h).  What is asked for is
 * computed, and texts of values are made when the slots of their frame are read.
 */
#include <string.h>

#include "stub/view_priv.h"

/* ---- where things are ---- */

static uint64_t stack_top(pid_t id)
{
	uint64_t place = (uint64_t)(id - VIEW_TID_FIRST) % VIEW_STACK_N;
	return VIEW_STACKS + (place + 1) * VIEW_STACK_SIZE - VIEW_STACK_ROOM;
}

uint64_t view_frame_sp(const struct view_thread *t, size_t k)
{
	return stack_top(t->id) - 8 * (t->n - k + 1);
}

static const struct view_thread *thread_at(const struct view *v, uint64_t addr)
{
	uint64_t place = (addr - VIEW_STACKS) / VIEW_STACK_SIZE;
	for (size_t i = 0; i < v->nthreads; i++) {
		const struct view_thread *t = &v->threads[(v->hint + i) % v->nthreads];
		if ((uint64_t)(t->id - VIEW_TID_FIRST) % VIEW_STACK_N == place)
			return t;
	}
	return NULL;
}

/* The frame whose stack pointer @sp is; t->n for the one that called the outermost. */
static bool frame_at(const struct view_thread *t, uint64_t sp, size_t *k)
{
	uint64_t first = view_frame_sp(t, 0);
	if (sp < first || sp > view_frame_sp(t, t->n) || (sp - first) % 8)
		return false;
	*k = (size_t)(sp - first) / 8;
	return true;
}

/* Where the caller of frame @k goes on; 0: frame @k has none. */
static uint64_t return_address(const struct view *v, const struct view_thread *t, size_t k)
{
	if (k >= t->n)
		return 0;
	return k + 1 < t->n ? v->frames[t->first + k + 1].pc
			    : synth_root(v->synth) + VIEW_ROOT_CALL;
}

/* ---- stacks ---- */

static void copy_part(uint8_t *buf, size_t len, uint64_t addr, uint64_t from, const void *data,
		      size_t n)
{
	const uint8_t *bytes = data;
	for (size_t i = 0; i < n; i++)
		if (from + i >= addr && from + i - addr < len)
			buf[from + i - addr] = bytes[i];
}

/* As much of a range as lies in [start, end), whole pages; 0: none. */
static size_t in_pages(uint64_t start, uint64_t end, uint64_t addr, size_t len)
{
	start -= start % VIEW_PAGE;
	end += (VIEW_PAGE - end % VIEW_PAGE) % VIEW_PAGE;
	if (addr < start || addr >= end)
		return 0;
	return end - addr < len ? (size_t)(end - addr) : len;
}

static size_t read_stack(void *ctx, uint64_t addr, uint8_t *buf, size_t len)
{
	struct session *s = ctx;
	const struct view *v = s->view;
	const struct view_thread *t = thread_at(v, addr);
	size_t k;

	if (!t)
		return 0;
	len = in_pages(view_frame_sp(t, 0), stack_top(t->id), addr, len);
	memset(buf, 0, len);
	for (uint64_t at = addr - addr % 8; at < addr + len; at += 8) {
		uint64_t ra = frame_at(t, at, &k) ? return_address(v, t, k) : 0;
		copy_part(buf, len, addr, at, &ra, sizeof(ra));
	}
	return len;
}

/* ---- descriptors ---- */

static void put_descriptor(const struct view *v, const struct view_thread *t, size_t k,
			   struct synth_descriptor *ret)
{
	const struct view_frame *f = k < t->n ? &v->frames[t->first + k] : NULL;
	uint64_t sp = view_frame_sp(t, k);
	*ret = (struct synth_descriptor){
		.cfa = sp + 8,
		.ra = return_address(v, t, k),
	};
	if (f)
		ret->locals = f->slots + (f->function ? f->function->code.nvariables : 0) *
						 (uint64_t)SYNTH_SLOT;
}

static size_t read_descriptors(void *ctx, uint64_t addr, uint8_t *buf, size_t len)
{
	struct session *s = ctx;
	const uint64_t step = 1ull << SYNTH_DESCRIPTOR_SHIFT;
	const struct view_thread *t = thread_at(s->view, addr / step);
	struct synth_descriptor d;
	size_t k;

	if (!t)
		return 0;
	len = in_pages(view_frame_sp(t, 0) * step, stack_top(t->id) * step, addr, len);
	memset(buf, 0, len);
	for (uint64_t at = addr - addr % step; at < addr + len; at += step) {
		if (!frame_at(t, at / step, &k))
			continue;
		put_descriptor(s->view, t, k, &d);
		copy_part(buf, len, addr, at, &d, sizeof(d));
	}
	return len;
}

/* ---- variables ---- */

/* The frame that has the slot at @addr, or the nearest before it. */
static struct view_frame *slots_at(struct view *v, uint64_t addr)
{
	size_t low = 0, high = v->nframes;
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;
		if (v->frames[mid].slots <= addr)
			low = mid;
		else
			high = mid;
	}
	return v->nframes ? &v->frames[low] : NULL;
}

/* One frame's worth at a time: whoever reads more comes again. */
static size_t read_slots(void *ctx, uint64_t addr, uint8_t *buf, size_t len)
{
	struct session *s = ctx;
	struct view *v = s->view;
	size_t there = in_pages(VIEW_SLOTS, v->slots_end, addr, len), done = 0;

	if (v->slots_end == VIEW_SLOTS)
		return 0;
	memset(buf, 0, there);
	while (done < there && addr + done < v->slots_end) {
		struct view_frame *f = slots_at(v, addr + done);
		if (!f || !f->function)
			break;
		size_t size = f->function->code.nvariables * SYNTH_SLOT;
		uint64_t off = addr + done - f->slots;
		if (off >= size)
			break;
		struct err *err = f->slot ? NULL : view_read_slots(s, f);
		if (err) {
			err_drop(err);
			return done;
		}
		size_t n = size - off < there - done ? (size_t)(size - off) : there - done;
		memcpy(buf + done, (const uint8_t *)f->slot + off, n);
		done += n;
	}
	return there;
}

static size_t read_texts(void *ctx, uint64_t addr, uint8_t *buf, size_t len)
{
	struct session *s = ctx;
	const struct buf *b = &s->view->texts;
	size_t there = in_pages(VIEW_TEXTS, VIEW_TEXTS + b->len, addr, len);
	size_t off = (size_t)(addr - VIEW_TEXTS);

	if (!b->len)
		return 0;
	memset(buf, 0, there);
	if (off < b->len)
		memcpy(buf, b->data + off, b->len - off < there ? b->len - off : there);
	return there;
}

static size_t read_library(void *ctx, uint64_t addr, uint8_t *buf, size_t len)
{
	struct session *s = ctx;
	return s->view->synth ? synth_read(s->view->synth, addr, buf, len) : 0;
}

const struct overlay_area view_areas[] = {
	{ SYNTH_BASE, VIEW_STACKS, "library", read_library },
	{ VIEW_STACKS, VIEW_SLOTS, "stacks", read_stack },
	{ VIEW_SLOTS, VIEW_TEXTS, "variables", read_slots },
	{ VIEW_TEXTS, VIEW_TEXTS_END, "values", read_texts },
	{ VIEW_STACKS << SYNTH_DESCRIPTOR_SHIFT, VIEW_SLOTS << SYNTH_DESCRIPTOR_SHIFT, "frames",
	  read_descriptors },
	{ MIXED_START, VIEW_STACKS << SYNTH_DESCRIPTOR_SHIFT, "frames", view_mixed_read },
	{ VIEW_SLOTS << SYNTH_DESCRIPTOR_SHIFT, MIXED_END, "frames", view_mixed_read },
	{ MIXED_FAR, MIXED_FAR_END, "stacks", view_pose_read },
};
const size_t view_nareas = sizeof(view_areas) / sizeof(view_areas[0]);
