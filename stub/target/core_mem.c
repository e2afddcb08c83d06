/* SPDX-License-Identifier: MIT */
/* A core's memory: its segments, and behind what they leave out the files. */
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stub/target/core_priv.h"

/* ---- segments ---- */

static struct err *bad(const struct core_phdr *ph, const char *what)
{
	return err_new(ERR_BAD_DATA, "the program header at offset 0x%" PRIx64 " %s", ph->where,
		       what);
}

static struct err *take_segment(struct core *c, const struct core_phdr *ph)
{
	uint64_t end, last;

	if (ph->type == PT_NOTE)
		return core_index_notes(c, ph);
	if (ph->type != PT_LOAD || !ph->memsz)
		return NULL;
	if (__builtin_add_overflow(ph->vaddr, ph->memsz, &end))
		return bad(ph, "is of a segment beyond the address space");
	if (ph->filesz > ph->memsz)
		return bad(ph, "has more bytes in the file than in memory");
	if (__builtin_add_overflow(ph->offset, ph->filesz, &last) || last > INT64_MAX)
		return bad(ph, "is of a segment beyond all files");
	c->segment[c->nsegments++] = (struct core_segment){ .start = ph->vaddr,
							    .end = end,
							    .offset = ph->offset,
							    .filled = ph->filesz,
							    .flags = ph->flags };
	return NULL;
}

static int by_start(const void *a, const void *b)
{
	const struct core_segment *x = a, *y = b;
	return (x->start > y->start) - (x->start < y->start);
}

static struct err *check_segments(struct core *c)
{
	uint64_t needed = 0;

	if (c->nsegments)
		qsort(c->segment, c->nsegments, sizeof(*c->segment), by_start);
	for (size_t i = 0; i < c->nsegments; i++) {
		const struct core_segment *s = &c->segment[i];
		if (i && s->start < s[-1].end)
			return err_new(ERR_BAD_DATA,
				       "two segments at address 0x%" PRIx64
				       ", with contents at offsets 0x%" PRIx64 " and 0x%" PRIx64,
				       s->start, s[-1].offset, s->offset);
		if (s->filled && s->offset + s->filled > needed)
			needed = s->offset + s->filled;
	}
	if (needed > c->file.size && !c->quiet)
		fprintf(stderr,
			"Warning: the core is cut off: it has 0x%" PRIx64 " bytes of 0x%" PRIx64
			"; what is missing cannot be read\n",
			c->file.size, needed);
	return NULL;
}

struct err *core_index_segments(struct core *c)
{
	struct core_phdr ph;
	struct err *err = NULL;

	c->segment = calloc(c->file.nph ? c->file.nph : 1, sizeof(*c->segment));
	if (!c->segment)
		return &err_nomem;
	for (uint32_t i = 0; i < c->file.nph && !err; i++) {
		err = core_file_phdr(&c->file, i, &ph);
		if (!err)
			err = take_segment(c, &ph);
	}
	return err ? err : check_segments(c);
}

/* The first that ends after @addr, which may lie in it; the number of them if there is none. */
static size_t segment_from(const struct core *c, uint64_t addr)
{
	size_t lo = 0, hi = c->nsegments;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (addr >= c->segment[mid].end)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct core_segment *segment_at(const struct core *c, uint64_t addr)
{
	size_t i = segment_from(c, addr);
	return i < c->nsegments && addr >= c->segment[i].start ? &c->segment[i] : NULL;
}

/* ---- reading ---- */

static size_t at_most(size_t len, uint64_t most)
{
	return len < most ? len : (size_t)most;
}

/* What one segment has at @addr. */
static size_t read_segment(const struct core *c, uint64_t addr, void *buf, size_t len)
{
	const struct core_segment *s = segment_at(c, addr);
	if (!s || addr - s->start >= s->filled)
		return 0;
	uint64_t into = addr - s->start;
	return core_file_read_some(&c->file, s->offset + into, buf, at_most(len, s->filled - into));
}

/* What a file has there; not where the core was to have it, but was cut off. */
static size_t read_mapped(struct core *c, uint64_t addr, void *buf, size_t len)
{
	const struct core_segment *s = segment_at(c, addr);
	const struct core_mapped *m = core_find_mapped(c, addr);

	if (!m || (s && addr - s->start < s->filled))
		return 0;
	len = at_most(len, m->end - addr);
	if (s)
		len = at_most(len, s->end - addr);
	else if (segment_from(c, addr) < c->nsegments)
		len = at_most(len, c->segment[segment_from(c, addr)].start - addr);
	int fd = core_mapped_fd(c, m->file);
	if (fd < 0)
		return 0;
	ssize_t n = pread(fd, buf, len, (off_t)(m->offset + (addr - m->start)));
	return n > 0 ? (size_t)n : 0;
}

static size_t read_all(struct core *c, uint64_t addr, uint8_t *buf, size_t len, bool files)
{
	size_t done = 0;

	while (done < len) {
		size_t n = read_segment(c, addr, buf + done, len - done);
		if (!n && files)
			n = read_mapped(c, addr, buf + done, len - done);
		done += n;
		if (!n || __builtin_add_overflow(addr, n, &addr))
			break;
	}
	return done;
}

static size_t core_read(void *ctx, uint64_t addr, void *buf, size_t len)
{
	return read_all(ctx, addr, buf, len, true);
}

static size_t core_read_raw(void *ctx, uint64_t addr, void *buf, size_t len)
{
	return read_all(ctx, addr, buf, len, false);
}

const char *core_verdict_text(enum core_verdict verdict)
{
	static const char *const texts[] = {
		[CORE_SAME] = "is shorter than what was mapped",
		[CORE_NO_FILE] = "cannot be opened",
		[CORE_NO_ID] = "has no build-id",
		[CORE_NO_ID_IN_CORE] = "may be another: its build-id is not in the core",
		[CORE_OTHER_ID] = "has another build-id",
	};
	return texts[verdict] ? texts[verdict] : "was not looked at";
}

static void core_why(void *ctx, uint64_t addr, char *buf, size_t size)
{
	struct core *c = ctx;
	const struct core_segment *s = segment_at(c, addr);
	const struct core_mapped *m = core_find_mapped(c, addr);

	if (s && addr - s->start < s->filled) {
		snprintf(buf, size, "the core is cut off before it");
	} else if (m) {
		const struct core_mapped_file *f = &c->mapped_file[m->file];
		const char *slash = strrchr(f->path, '/');
		snprintf(buf, size, "not in the core, and %.40s %s", slash ? slash + 1 : f->path,
			 core_verdict_text(f->verdict));
	} else {
		snprintf(buf, size, s ? "it is not in the core" : "nothing was mapped there");
	}
}

const struct mem_ops core_mem_ops = { .read = core_read, .why = core_why };
const struct mem_ops core_raw_ops = { .read = core_read_raw };

/* ---- mappings ---- */

/* Where x86-64 has it for ever: Linux, arch/x86/include/uapi/asm/vsyscall.h. */
#define VSYSCALL UINT64_C(0xffffffffff600000)

struct list {
	struct core *c;
	struct maps maps;
	size_t room;
	uint64_t vdso, stack; /* addresses in them */
};

static const char *name_of(const struct list *l, const struct core_mapped *m, uint64_t start,
			   uint64_t end)
{
	if (m)
		return l->c->mapped_file[m->file].path;
	if (l->vdso >= start && l->vdso < end)
		return "[vdso]";
	if (start == VSYSCALL && l->c->machine->arch == &arch_x86_64)
		return "[vsyscall]";
	return l->stack >= start && l->stack < end ? "[stack]" : "";
}

static struct err *put_map(struct list *l, uint64_t start, uint64_t end, unsigned int prot,
			   const struct core_mapped *m)
{
	if (l->maps.n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct map *fresh = reallocarray(l->maps.map, room, sizeof(*fresh));
		if (!fresh)
			return &err_nomem;
		l->maps.map = fresh;
		l->room = room;
	}
	char *path = strdup(name_of(l, m, start, end));
	if (!path)
		return &err_nomem;
	/* Files have no inodes here: their number in the list tells them apart. */
	l->maps.map[l->maps.n++] = (struct map){ .start = start,
						 .end = end,
						 .offset = m ? m->offset + (start - m->start) : 0,
						 .inode = m ? m->file + UINT64_C(1) : 0,
						 .prot = prot,
						 .path = path };
	return NULL;
}

/* The part of a file at @addr or after it, if there is one; *at goes ahead with @addr. */
static const struct core_mapped *mapped_from(const struct core *c, uint64_t addr, size_t *at)
{
	while (*at < c->nmapped && c->mapped[*at].end <= addr)
		++*at;
	return *at < c->nmapped ? &c->mapped[*at] : NULL;
}

static uint64_t piece_end(const struct core_mapped *m, bool inside, uint64_t end)
{
	uint64_t next = !m ? end : inside ? m->end : m->start;
	return next < end ? next : end;
}

/* [start, end), all of one protection, in pieces that are of one file or of none. */
static struct err *put_range(struct list *l, uint64_t start, uint64_t end, unsigned int prot,
			     size_t *mapped)
{
	struct err *err = NULL;

	while (start < end && !err) {
		const struct core_mapped *m = mapped_from(l->c, start, mapped);
		bool inside = m && m->start <= start;
		uint64_t next = piece_end(m, inside, end);
		/* Where no segment says how, all that is known is that it was a file's. */
		if (prot || inside)
			err = put_map(l, start, next, prot ? prot : MAP_R, inside ? m : NULL);
		start = next;
	}
	return err;
}

static unsigned int prot_of(const struct core_segment *s)
{
	return (s->flags & PF_R ? MAP_R : 0u) | (s->flags & PF_W ? MAP_W : 0u) |
	       (s->flags & PF_X ? MAP_X : 0u);
}

static struct err *put_all(struct list *l)
{
	const struct core *c = l->c;
	struct err *err = NULL;
	size_t mapped = 0;
	uint64_t at = 0;

	for (size_t i = 0; i < c->nsegments && !err; i++) {
		const struct core_segment *s = &c->segment[i];
		err = put_range(l, at, s->start, 0, &mapped);
		/* One that may not be touched is a mapping all the same. */
		if (!err && prot_of(s))
			err = put_range(l, s->start, s->end, prot_of(s), &mapped);
		else if (!err)
			err = put_map(l, s->start, s->end, 0, core_find_mapped(c, s->start));
		at = s->end;
	}
	return err ? err : put_range(l, at, UINT64_MAX, 0, &mapped);
}

struct err *core_maps(struct target *t, struct maps *ret)
{
	struct core *c = to_core(t);
	struct list l = { .c = c,
			  .vdso = core_auxv(c, AT_SYSINFO_EHDR),
			  .stack = core_auxv(c, AT_RANDOM) };
	struct err *err = put_all(&l);

	if (err) {
		maps_deinit(&l.maps);
		return err;
	}
	maps_deinit(ret);
	*ret = l.maps;
	return NULL;
}
