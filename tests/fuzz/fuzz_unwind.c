/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer against the unwinder of C stacks.  The first byte of the input chooses:
 * either a small program is made, whose unwind tables and expressions are the input's,
 * with damage to its headers, its file, its debug file, its stack and its registers; or
 * a recorded stack is walked, with damage to any byte or word of it.
 *
 * A stack may take no more reads than the header of the walker promises, and the rows
 * that are remembered must give the same stack again.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "qxfer/unwind/modules.h"
#include "qxfer/unwind/native.h"
#include "tests/fake/tiny_elf.h"
#include "tests/mem/recorded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { /* the first byte of the input */
       RECORDED = 1,
       NO_HEADER = 2,	 /* no .eh_frame_hdr: the section is read from the file */
       WITH_FILE = 4,	 /* the file is there */
       WITH_DEBUG = 8,	 /* and a debug file */
       BY_CHECKSUM = 16, /* which is known by its checksum alone */
       GNU_HASH = 32,
       KNOWN_CODE = 64, /* functions that are known by their bytes */
};

struct input {
	const uint8_t *data;
	size_t len;
};

static uint8_t take(struct input *in)
{
	if (!in->len)
		return 0;
	in->len--;
	return *in->data++;
}

static size_t take_bytes(struct input *in, void *to, size_t room)
{
	size_t n = take(in) % (room + 1);
	n = n < in->len ? n : in->len;
	memcpy(to, in->data, n);
	in->data += n;
	in->len -= n;
	return n;
}

/* ---- a program ---- */

#define BASE	    0x400000ull
#define STACK	    0x7f0000000000ull
#define STACK_WORDS 96u
#define FUNCTIONS   8u
#define CODE	    32u /* bytes of each */
#define DEBUG_NAME  "x.debug"

struct made_cie {
	uint32_t len, id;
	uint8_t start[9]; /* gcc's: "zR", 1, -8, rip; relative addresses of four bytes */
	uint8_t program[47];
};

struct made_fde {
	uint32_t len, back;
	int32_t start;
	uint32_t size;
	uint8_t nothing, program[47];
};

struct made {
	struct tiny_elf elf;
	struct {
		uint8_t enc[4];
		int32_t frames;
		uint32_t n;
		int32_t row[FUNCTIONS][2];
	} hdr;
	struct made_cie cie;
	struct made_fde fde[FUNCTIONS];
	uint32_t end;
	char names[64], link[8];
	uint32_t crc;
	uint8_t code[FUNCTIONS][CODE];
};

#define AT(member) ((uint32_t)offsetof(struct made, member))

struct program {
	struct made image;
	uint64_t stack[STACK_WORDS];
	struct space_regs regs;
	struct mem mem;
	struct map map[3];
	struct maps maps;
	struct space_thread thread;
	struct space space;
	int debug; /* its debug file, or -1 */
	bool has_file;
};

static size_t reads;

static size_t read_made(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct program *p = ctx;
	bool stack = addr >= STACK;
	const uint8_t *from = stack ? (const uint8_t *)p->stack : (const uint8_t *)&p->image;
	uint64_t start = stack ? STACK : BASE;
	size_t size = stack ? sizeof(p->stack) : sizeof(p->image);
	reads++;
	if (addr < start || addr - start >= size)
		return 0;
	size_t n = size - (size_t)(addr - start) < len ? size - (size_t)(addr - start) : len;
	memcpy(buf, from + (addr - start), n);
	return n;
}

static const struct mem_ops made_ops = { .read = read_made };

static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, data, len) != (ssize_t)len) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_map(void *ctx, const struct map *m)
{
	const struct program *p = ctx;
	return p->has_file && m->inode ? file_of(&p->image, sizeof(p->image)) : -1;
}

static int open_path(void *ctx, const char *path)
{
	const struct program *p = ctx;
	return p->debug >= 0 && *path == '/' ? dup(p->debug) : -1;
}

static bool dwarf_regs(void *ctx, pid_t tid, struct space_regs *ret)
{
	const struct program *p = ctx;
	(void)tid;
	*ret = p->regs;
	return ret->known != 0;
}

static void make_tables(struct made *m, struct input *in)
{
	static const uint8_t start[] = { 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b };
	static const uint8_t usual[] = { 0x0c, 7, 8, 0x80 | 16, 1 }; /* CFA rsp+8, rip at CFA-8 */
	m->hdr.enc[0] = 1;
	m->hdr.enc[1] = 0x1b;
	m->hdr.enc[2] = 0x03;
	m->hdr.enc[3] = 0x3b;
	m->hdr.frames = (int32_t)(AT(cie) - AT(hdr.frames));
	m->hdr.n = FUNCTIONS;
	m->cie.len = sizeof(m->cie) - 4;
	memcpy(m->cie.start, start, sizeof(start));
	if (!take_bytes(in, m->cie.program, sizeof(m->cie.program)))
		memcpy(m->cie.program, usual, sizeof(usual));
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		uint32_t at = AT(fde) + i * (uint32_t)sizeof(struct made_fde);
		uint32_t code = AT(code) + i * CODE;
		m->hdr.row[i][0] = (int32_t)(code - AT(hdr));
		m->hdr.row[i][1] = (int32_t)(at - AT(hdr));
		m->fde[i] = (struct made_fde){ .len = sizeof(struct made_fde) - 4,
					       .back = at + 4 - AT(cie),
					       .start = (int32_t)(code - at - 8),
					       .size = CODE };
		take_bytes(in, m->fde[i].program, sizeof(m->fde[i].program));
	}
}

/* What qxfer/unwind/code.c knows, and a call of the innermost function. */
static void make_code(struct made *m)
{
	static const uint8_t sigreturn[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	static const uint8_t clone[] = { 0x0f, 0x05, 0x48, 0x85, 0xc0 };
	static const uint8_t trampoline[] = { 0xff, 0xd1, 0x5d, 0xc3 };
	memcpy(m->code[0], sigreturn, sizeof(sigreturn));
	memcpy(m->code[2] + 8, clone, sizeof(clone));
	memcpy(m->code[4], trampoline, sizeof(trampoline));
	m->fde[2].size = 8;
	m->hdr.row[0][0] = m->hdr.row[1][0];
	m->fde[0].size = 0;
}

static void make_file(struct made *m, uint8_t mode)
{
	static const char names[] = "\0.eh_frame\0.symtab\0.strtab\0.shstrtab\0.gnu_debuglink";
	struct tiny_elf *e = &m->elf;
	tiny_elf_make(e, mode & GNU_HASH);
	e->ph[0].p_filesz = e->ph[0].p_memsz = sizeof(*m);
	if (!(mode & NO_HEADER))
		e->ph[2] = (Elf64_Phdr){ .p_type = PT_GNU_EH_FRAME, .p_vaddr = AT(hdr) };
	for (size_t i = 1; i < 3; i++) {
		e->dynsym[i].st_value = AT(code) + i * CODE;
		e->dynsym[i].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
	}
	e->symtab[1].st_value = AT(code) + 3 * CODE;
	e->symtab[1].st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC);
	memcpy(m->names, names, sizeof(names));
	memcpy(m->link, DEBUG_NAME, sizeof(DEBUG_NAME));
	e->sh[4].sh_offset = AT(names);
	e->sh[4].sh_size = sizeof(m->names);
	e->sh[4].sh_name = 27;
	e->sh[3].sh_name = 19;
	e->sh[2].sh_name = 11;
	e->sh[1].sh_addr = e->sh[1].sh_offset = AT(cie);
	e->sh[1].sh_size = AT(end) - AT(cie) + 4;
	if (mode & WITH_DEBUG) {
		e->sh[1].sh_name = 37;
		e->sh[1].sh_offset = AT(link);
		e->sh[1].sh_size = sizeof(m->link) + sizeof(m->crc);
	}
	if (mode & BY_CHECKSUM)
		e->build_id.nh.n_type = 77;
}

/* Return addresses into one function after the other. */
static void make_stack(struct program *p)
{
	for (uint32_t i = 0; i < STACK_WORDS; i++)
		p->stack[i] = BASE + AT(code) + i * (CODE + 1) % (FUNCTIONS * CODE);
	p->regs.known = (1u << SPACE_REGS) - 1;
	for (size_t i = 0; i < SPACE_REGS; i++)
		p->regs.value[i] = STACK + 64 * i;
	p->regs.value[SPACE_REG_PC] = BASE + AT(code) + CODE + 4;
}

/* Three bytes: where, and what there is then; or six, and a word is. */
static void damage(struct program *p, struct input *in)
{
	const struct {
		void *at;
		size_t len;
	} parts[] = {
		{ &p->image, sizeof(p->image) },
		{ &p->image.hdr, sizeof(p->image) - AT(hdr) },
		{ p->stack, sizeof(p->stack) },
		{ &p->regs, sizeof(p->regs) },
	};
	while (in->len >= 3) {
		size_t where = take(in);
		where |= (size_t)take(in) << 8;
		uint8_t *at = parts[where & 3].at;
		size_t len = parts[where & 3].len, i = (where >> 3) % len;
		if (where & 4 && i <= len - 8) {
			uint64_t base = in->len && *in->data & 1 ? BASE : *in->data & 2 ? STACK : 0;
			uint64_t word = base + (uint64_t)((int64_t)(int8_t)take(in) * 8);
			word ^= (uint64_t)take(in) << (take(in) & 63);
			memcpy(at + i, &word, sizeof(word));
		} else {
			at[i] = take(in);
		}
	}
}

static void make_debug_file(struct program *p, uint8_t mode)
{
	struct made debug = p->image;
	debug.elf.symtab[1].st_value = AT(code) + 5 * CODE;
	p->debug = mode & WITH_DEBUG ? file_of(&debug, sizeof(debug)) : -1;
}

static void make_space(struct program *p)
{
	static char image[] = "/bin/x", stack[] = "[stack]", none[] = "";
	p->mem = (struct mem){ .ops = &made_ops, .ctx = p, .generation = 1, .addr_size = 8 };
	p->map[0] = (struct map){ BASE, BASE + AT(code), 0, 1, 2, MAP_R, image };
	p->map[1] = (struct map){
		BASE + AT(code), BASE + sizeof(p->image), AT(code), 1, 2, MAP_R | MAP_X, image
	};
	p->map[2] = (struct map){ STACK, STACK + sizeof(p->stack), 0, 0, 0, MAP_R | MAP_W, stack };
	if (!p->has_file)
		p->map[1].path = none;
	p->maps = (struct maps){ p->map, 3 };
	p->thread = (struct space_thread){ .tid = 1 };
	p->space = (struct space){ .mem = &p->mem,
				   .maps = &p->maps,
				   .threads = &p->thread,
				   .nthreads = 1,
				   .epoch = 1,
				   .open_map = open_map,
				   .open_path = open_path,
				   .dwarf_regs = dwarf_regs,
				   .ctx = p };
}

/* ---- recordings ---- */

#define RECORDINGS_MAX 16u
#define DAMAGE_MAX     64u

struct undo {
	uint8_t *at;
	uint8_t was[8];
};

static struct corpus {
	struct recorded rec[RECORDINGS_MAX];
	size_t n;
	const struct mem_ops *recorded;
	struct mem_ops counting;
} corpus;

static size_t read_recorded(void *ctx, uint64_t addr, void *buf, size_t len)
{
	reads++;
	return corpus.recorded->read(ctx, addr, buf, len);
}

static void load(void)
{
	glob_t files;
	if (corpus.n || glob("tests/mem/native/*.mem", 0, NULL, &files) != 0)
		return;
	for (size_t i = 0; i < files.gl_pathc && corpus.n < RECORDINGS_MAX; i++)
		corpus.n += recorded_load(files.gl_pathv[i], &corpus.rec[corpus.n]);
	globfree(&files);
	corpus.counting.read = read_recorded;
	for (size_t i = 0; i < corpus.n; i++) {
		corpus.recorded = corpus.rec[i].mem.ops;
		corpus.rec[i].mem.ops = &corpus.counting;
	}
}

/* Seven bytes: which range, where in it, what is done there. */
static bool damage_recorded(struct recorded *r, const uint8_t d[7], struct undo *undo)
{
	const struct recorded_range *range = &r->range[(d[0] | (size_t)d[1] << 8) % r->nranges];
	const struct recorded_range *other = &r->range[(d[5] | (size_t)d[6] << 8) % r->nranges];
	if (range->len < 8)
		return false;
	size_t at = (d[2] | (size_t)d[3] << 8) % (range->len - 7);
	uint64_t value;
	undo->at = range->data + at;
	memcpy(undo->was, undo->at, 8);
	memcpy(&value, undo->at, 8);
	if (d[4] & 1)
		value = (value & ~0xffull) | d[5];
	else if (d[4] & 2)
		value += (uint64_t)(int64_t)(int8_t)d[5];
	else if (d[4] & 4)
		value = other->addr + (d[4] >> 3) * 8ull;
	else
		value ^= (uint64_t)d[5] << (d[6] & 63);
	memcpy(undo->at, &value, 8);
	return true;
}

/* ---- walking ---- */

static void judge(const struct native_stack *st, unsigned int images)
{
	size_t frames = st->n + 1;
	size_t tables = NATIVE_TABLES + frames * NATIVE_TABLES_FRAME;
	size_t most = (tables < NATIVE_TABLES_MAX ? tables : NATIVE_TABLES_MAX) + frames * 64 +
		      images * 2000ull;
	if (reads <= most && st->n <= NATIVE_FRAMES_MAX)
		return;
	fprintf(stderr, "%zu reads for %zu frames, at most %zu were promised\n", reads, st->n,
		most);
	abort();
}

static uint64_t sum(const struct native_stack *st)
{
	uint64_t all = st->n;
	for (size_t i = 0; i < st->n; i++)
		all = all * 31 + st->frames[i].pc + st->frames[i].cfa * 7 + st->frames[i].signal;
	return all;
}

/* Whoever shows it looks at all of it. */
static void look_at(const struct native_stack *st)
{
	size_t len = 0;
	for (size_t i = 0; i < st->n; i++) {
		const struct native_frame *f = &st->frames[i];
		len += f->symbol ? strlen(f->symbol) : 0;
		len += f->module ? strlen(f->module) : 0;
	}
	len += st->cut ? strlen(st->cut) : 0;
	if (len > SIZE_MAX / 2)
		abort();
}

static void walk(struct native *nt, const struct space *s, pid_t tid, unsigned int images)
{
	struct native_stack st;
	reads = 0;
	if (native_walk(nt, s, tid, &st))
		return; /* no memory */
	judge(&st, images);
	look_at(&st);
	if (st.cut)
		return;
	uint64_t before = sum(&st);
	s->mem->generation++;
	if (!native_walk(nt, s, tid, &st) && sum(&st) != before)
		abort(); /* what was remembered is not what was read */
}

static void walk_made(struct input *in, uint8_t mode)
{
	struct program p = { .has_file = mode & WITH_FILE };
	struct native *nt;
	make_file(&p.image, mode);
	make_tables(&p.image, in);
	if (mode & KNOWN_CODE)
		make_code(&p.image);
	make_stack(&p);
	damage(&p, in);
	make_space(&p);
	make_debug_file(&p, mode);
	if (!native_create(&nt)) {
		walk(nt, &p.space, 1, 8);
		native_destroy(nt);
	}
	if (p.debug >= 0)
		close(p.debug);
}

static void walk_recorded(struct input *in)
{
	struct undo undo[DAMAGE_MAX];
	size_t n = 0;
	struct native *nt;
	struct recorded *r = &corpus.rec[take(in) % corpus.n];
	pid_t tid = r->threads[take(in) % r->space.nthreads].tid;
	for (; in->len >= 7 && n < DAMAGE_MAX; in->data += 7, in->len -= 7)
		n += damage_recorded(r, in->data, &undo[n]);
	if (!native_create(&nt)) {
		walk(nt, &r->space, tid, (unsigned int)r->maps.n);
		native_destroy(nt);
	}
	while (n--)
		memcpy(undo[n].at, undo[n].was, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	load();
	if (!corpus.n)
		abort(); /* run it where tests/mem is */
	uint8_t mode = take(&in);
	if (mode & RECORDED)
		walk_recorded(&in);
	else
		walk_made(&in, mode);
	return 0;
}
