/* SPDX-License-Identifier: MIT */
#include "stub/target/core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stub/target/core_packed.h"
#include "stub/target/core_priv.h"

static void core_destroy(struct target *t)
{
	struct core *c = to_core(t);

	core_close_mapped(c);
	core_file_close(&c->file);
	if (c->fd >= 0)
		close(c->fd);
	if (c->root >= 0)
		close(c->root);
	free(c->exe);
	free(c->segment);
	free(c->thread);
	free(c->by_tid);
	free(c->auxv);
	free(c->nt_file);
	arch_free(c->made_arch);
	target_deinit(t);
	free(c);
}

static struct err *core_threads(struct target *t, bool (*visit)(pid_t tid, void *arg), void *arg)
{
	const struct core *c = to_core(t);

	for (size_t i = 0; i < c->nthreads; i++)
		if (!visit(c->thread[i].tid, arg))
			break;
	return NULL;
}

static struct err *find_thread(struct target *t, pid_t tid, const struct core_thread **ret)
{
	*ret = core_thread(to_core(t), tid);
	return *ret ? NULL : err_new(ERR_NOT_FOUND, "the core has no thread %d", tid);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type is struct target_ops' */
static struct err *core_thread_info(struct target *t, pid_t tid, struct thread_info *ret)
{
	const struct core_thread *thread;

	*ret = (struct thread_info){ .core = -1 };
	return find_thread(t, tid, &thread);
}

static struct err *read_note(struct target *t, const struct core_place *at, const char *what,
			     pid_t tid, void *buf, size_t *size)
{
	if (!at->size)
		return err_new(ERR_NOT_FOUND, "the core has no %s of thread %d", what, tid);
	*size = at->size < *size ? at->size : *size;
	return core_file_read(&to_core(t)->file, what, at->offset, buf, *size);
}

static struct err *core_regset_read(struct target *t, pid_t tid, const struct regset *rs, void *buf,
				    size_t *size)
{
	const struct arch *arch = to_core(t)->machine->arch;
	const struct core_thread *thread;
	struct err *err = find_thread(t, tid, &thread);

	if (err)
		return err;
	for (uint8_t i = 0; i < arch->nregsets; i++)
		if (arch->regsets[i].nt_type == rs->nt_type)
			return read_note(t, &thread->set[i], rs->name, tid, buf, size);
	return err_new(ERR_NOT_FOUND, "cores have no %s", rs->name);
}

static struct err *core_siginfo_read(struct target *t, pid_t tid, void *buf, size_t *size)
{
	const struct core_thread *thread;
	struct err *err = find_thread(t, tid, &thread);
	return err ? err : read_note(t, &thread->siginfo, "siginfo", tid, buf, size);
}

static struct err *core_read_auxv(struct target *t, struct buf *out)
{
	const struct core *c = to_core(t);

	if (!c->auxv_at.size)
		return err_new(ERR_NOT_FOUND, "the core has no auxiliary vector");
	buf_put(out, c->auxv, c->auxv_at.size);
	return NULL;
}

/* The name that it was started by, if the list of mapped files knows none. */
static struct err *name_from_stack(struct core *c, struct buf *out)
{
	char path[PATH_MAX];
	uint64_t addr = core_auxv(c, AT_EXECFN);
	size_t n = addr ? mem_read_some(&c->target.mem, addr, path, sizeof(path)) : 0;
	size_t len = strnlen(path, n);

	if (!len || len == n)
		return err_new(ERR_NOT_FOUND, "the core does not say which program it is of");
	buf_put(out, path, len);
	return NULL;
}

static struct err *core_exec_file(struct target *t, struct buf *out)
{
	struct core *c = to_core(t);

	if (c->program == CORE_ANY_FILE)
		return name_from_stack(c, out);
	buf_puts(out, c->mapped_file[c->program].path);
	return NULL;
}

static int core_open_map(struct target *t, const struct map *m)
{
	struct core *c = to_core(t);

	if (!m->inode || m->inode > c->nfiles)
		return -1;
	uint32_t file = (uint32_t)(m->inode - 1);
	if (core_mapped_fd(c, file) < 0)
		return -1;
	/* The kept one is read by pread() only; the caller's may be used in any way. */
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", c->mapped_file[file].fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* As proc(5) has it. */
static int write_maps(struct target *t)
{
	_cleanup_buf_ struct buf text = { 0 };
	struct maps maps = { 0 };
	struct err *err = core_maps(t, &maps);

	err_drop(err); /* then there are none */
	for (size_t i = 0; i < maps.n; i++) {
		const struct map *m = &maps.map[i];
		buf_printf(&text, "%" PRIx64 "-%" PRIx64 " %c%c%cp %08" PRIx64 " 00:00 %" PRIu64,
			   m->start, m->end, m->prot & MAP_R ? 'r' : '-',
			   m->prot & MAP_W ? 'w' : '-', m->prot & MAP_X ? 'x' : '-', m->offset,
			   m->inode);
		buf_printf(&text, *m->path ? " %s\n" : "\n", m->path);
	}
	maps_deinit(&maps);
	int fd = memfd_create("maps", MFD_CLOEXEC);
	if (fd >= 0 && (text.failed || write(fd, text.data, text.len) != (ssize_t)text.len)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The process with that id is not there, or is another by now. */
static int open_proc(struct target *t, const char *path)
{
	const char *last = strrchr(path, '/');

	if (strcmp(last, "/maps") == 0)
		return write_maps(t);
	errno = ENOENT;
	return -1;
}

/*
 * The beginning of the program's file, which the kernel keeps in the core, without what it
 * says of sections: they are not there.  A gdb that has no program looks for no libraries,
 * Python's among them.
 */
static int write_program(struct core *c)
{
	const uint64_t base = c->mapped_file[c->program].base;
	const struct core_mapped *m = core_find_mapped(c, base);
	uint8_t page[MEM_PAGE];
	size_t n = base == UINT64_MAX || !m ? 0 : mem_read_some(&c->raw, base, page, sizeof(page));
	bool wide = c->machine->word == 8;

	if (n != sizeof(page) || memcmp(page, ELFMAG, SELFMAG) != 0)
		return -1;
	if (wide) {
		memset(page + offsetof(Elf64_Ehdr, e_shoff), 0, sizeof(Elf64_Off));
		memset(page + offsetof(Elf64_Ehdr, e_shnum), 0, 2 * sizeof(Elf64_Half));
	} else {
		memset(page + offsetof(Elf32_Ehdr, e_shoff), 0, sizeof(Elf32_Off));
		memset(page + offsetof(Elf32_Ehdr, e_shnum), 0, 2 * sizeof(Elf32_Half));
	}
	int fd = memfd_create("program", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, page, n) != (ssize_t)n) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Not one that is known to be another than it was; the program from where it is now. */
static int core_open_path(struct target *t, const char *path)
{
	struct core *c = to_core(t);
	size_t i = 0;

	char proc[32];
	int n = snprintf(proc, sizeof(proc), "/proc/%d/", t->pid);
	if (strncmp(path, proc, (size_t)n) == 0)
		return open_proc(t, path);
	while (i < c->nfiles && strcmp(c->mapped_file[i].path, path) != 0)
		i++;
	errno = ENOSYS;
	if (i == c->nfiles)
		return -1;
	(void)core_mapped_fd(c, (uint32_t)i);
	int fd = -1;
	if (c->mapped_file[i].verdict != CORE_OTHER_ID)
		fd = core_open_file(c, (uint32_t)i);
	if (fd < 0 && i == c->program)
		fd = write_program(c);
	errno = ENOENT;
	return fd;
}

static int core_root_fd(struct target *t)
{
	return to_core(t)->root;
}

static const struct target_ops core_ops = {
	.name = "core",
	.destroy = core_destroy,
	.threads = core_threads,
	.thread_info = core_thread_info,
	.regset_read = core_regset_read,
	.siginfo_read = core_siginfo_read,
	.auxv = core_read_auxv,
	.exec_file = core_exec_file,
	.maps = core_maps,
	.open_map = core_open_map,
	.root_fd = core_root_fd,
	.open_file = core_open_path,
};

/* ---- opening ---- */

static struct err *open_files(struct core *c, const struct core_options *o)
{
	c->fd = open(o->core, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (c->fd < 0)
		return err_os("opening it");
	c->own_root = o->sysroot != NULL;
	c->root = open(o->sysroot ? o->sysroot : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->root < 0)
		return err_os("opening the sysroot %.60s", o->sysroot ? o->sysroot : "/");
	if (o->exe) {
		c->exe = realpath(o->exe, NULL);
		if (!c->exe)
			return err_os("looking for %.80s", o->exe);
	}
	int unpacked;
	struct err *err = core_unpack(c->fd, c->quiet, &unpacked);
	if (unpacked >= 0) {
		close(c->fd);
		c->fd = unpacked;
	}
	return err ? err : core_file_open(c->fd, &c->file);
}

static struct err *check_kind(struct core *c)
{
	if (c->file.type != ET_CORE)
		return err_new(ERR_BAD_DATA, "ELF type %u at offset 0x10: it is no core",
			       c->file.type);
	c->machine = core_find_machine(c->file.machine, c->file.word);
	if (!c->machine)
		return err_new(ERR_BAD_DATA,
			       "ELF machine %u of %u bits at offset 0x12: only cores of x86-64, "
			       "i386 and aarch64 are read",
			       c->file.machine, 8u * c->file.word);
	c->target.arch = c->machine->arch;
	c->target.mem.addr_size = c->raw.addr_size = c->machine->word;
	return NULL;
}

static struct err *index_core(struct core *c)
{
	struct err *err = check_kind(c);
	if (!err)
		err = core_index_segments(c);
	if (!err)
		err = core_finish_notes(c);
	if (!err)
		err = core_index_mapped(c);
	if (!err)
		err = c->machine->select(c);
	if (!err && c->made_arch)
		c->target.arch = c->made_arch;
	return err;
}

/* A page of which the first part alone cannot be read is more than the cache can note. */
static void choose_cache(struct core *c)
{
	for (size_t i = 0; i < c->nsegments; i++)
		if (c->segment[i].start % MEM_PAGE || c->segment[i].filled % MEM_PAGE) {
			mem_deinit(&c->target.mem);
			return;
		}
}

static void warn_of_exe(struct core *c)
{
	if (!c->exe || c->quiet)
		return;
	if (c->program == CORE_ANY_FILE)
		fprintf(stderr, "Warning: the core does not say where its program was mapped\n");
	else if (core_mapped_fd(c, c->program) < 0)
		fprintf(stderr, "Warning: %s is not used: %s\n", c->exe,
			core_verdict_text(c->mapped_file[c->program].verdict));
}

static struct err *core_new(const struct core_options *o, struct core **ret)
{
	struct core *c = calloc(1, sizeof(*c));
	if (!c)
		return &err_nomem;
	c->fd = c->root = -1;
	c->quiet = o->quiet;
	c->target = (struct target){
		.ops = &core_ops,
		.still = "this is a core file: nothing in it runs or changes",
		.arch = &arch_x86_64,
		.attached = true,
		.stops = 1,
	};
	/* What is in the core itself is read once for each file. */
	c->raw = (struct mem){ .ops = &core_raw_ops, .ctx = c, .generation = 1, .addr_size = 8 };
	struct err *err = mem_init(&c->target.mem, &core_mem_ops, c, 8);
	if (err)
		free(c);
	else
		*ret = c;
	return err;
}

struct err *core_open(const struct core_options *o, struct target **ret)
{
	struct core *c = NULL;
	struct err *err = core_new(o, &c);
	if (err)
		return err;
	err = open_files(c, o);
	if (!err)
		err = index_core(c);
	if (err) {
		core_destroy(&c->target);
		return err;
	}
	c->target.epoch = ((uint64_t)c->target.pid << 32) + 1;
	choose_cache(c);
	warn_of_exe(c);
	*ret = &c->target;
	return NULL;
}
