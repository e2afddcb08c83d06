/* SPDX-License-Identifier: MIT */
/* The parts of a core, and who has them. */
#ifndef STUB_TARGET_CORE_PRIV_H
#define STUB_TARGET_CORE_PRIV_H

#include "stub/target/core.h"
#include "stub/target/core_file.h"

#define CORE_THREADS_MAX  (1u << 18)
#define CORE_NT_FILE_MAX  (64u << 20) /* bytes; Linux writes 4 MiB if not told otherwise */
#define CORE_AUXV_MAX	  65536u
#define CORE_OPEN_MAX	  128u /* descriptors of mapped files that are kept */
#define CORE_BUILD_ID_MAX 64u
#define CORE_ANY_FILE	  UINT32_MAX
#define CORE_XSAVE_LAYOUT 0x205u /* NT_X86_XSAVE_LAYOUT: Linux 6.12 */
#define CORE_SETS	  4u	 /* regsets that an architecture has at most */

/* Where a note's contents lie; size 0: there is none. */
struct core_place {
	uint64_t offset;
	uint32_t size;
};

/* Whose cores are read: where its notes keep things.  Linux, include/uapi/linux/elfcore.h. */
struct core;
struct core_machine {
	const struct arch *arch;
	uint8_t word;	     /* bytes of an address: its ELF class */
	uint16_t pid_at;     /* of pr_pid in struct elf_prstatus, */
	uint16_t regs_at;    /* of pr_reg */
	uint16_t process_at; /* of pr_pid in struct elf_prpsinfo */
	struct err *(*select)(
		struct core *c); /* makes c->made_arch of the registers that there are */
};

struct core_thread {
	pid_t tid;
	int signo;			  /* that it got */
	struct core_place set[CORE_SETS]; /* as in the architecture's regsets */
	struct core_place siginfo;
};

struct core_segment {
	uint64_t start, end; /* run-time addresses */
	uint64_t offset;     /* in the core */
	uint64_t filled;     /* bytes of it that the core is said to hold */
	uint32_t flags;	     /* PF_R.. */
};

/* A part of a file that was mapped: a row of NT_FILE. */
struct core_mapped {
	uint64_t start, end, offset;
	uint32_t file;
};

enum core_verdict {
	CORE_UNKNOWN,
	CORE_SAME,
	CORE_NO_FILE,	    /* not there, or not to be opened */
	CORE_NO_ID,	    /* the file has no build-id */
	CORE_NO_ID_IN_CORE, /* its first page is not in the core */
	CORE_OTHER_ID
};

struct core_mapped_file {
	const char *path; /* in `nt_file' */
	uint64_t base;	  /* where its offset 0 was mapped; UINT64_MAX: nowhere */
	enum core_verdict verdict;
	int fd; /* -1: not open now */
};

struct core {
	struct target target; /* the first member */
	struct core_file file;
	const struct core_machine *machine;
	int fd, root;
	char *exe; /* real path, or NULL */
	bool own_root, quiet;

	struct core_segment *segment; /* sorted */
	size_t nsegments;
	struct core_thread *thread; /* as in the core: the one that crashed is the first */
	size_t nthreads, thread_room;
	uint32_t *by_tid; /* indices of `thread', sorted by tid */
	struct core_place prpsinfo, auxv_at, nt_file_at, xsave_at;
	uint8_t *auxv, *nt_file;
	struct core_mapped *mapped; /* sorted */
	size_t nmapped;
	struct core_mapped_file *mapped_file;
	size_t nfiles;
	uint32_t program;	      /* which of them is the program, or CORE_ANY_FILE */
	uint32_t open[CORE_OPEN_MAX]; /* whose descriptors are kept: index + 1 */
	unsigned int next_open;
	struct mem raw; /* what is in the core itself */
	struct arch *made_arch;
};

static inline struct core *to_core(struct target *t)
{
	return (struct core *)t;
}

/* core_notes.c: threads and the process */
struct err *core_index_notes(struct core *c, const struct core_phdr *segment) MUST_CHECK;
struct err *core_finish_notes(struct core *c) MUST_CHECK;
const struct core_thread *core_thread(const struct core *c, pid_t tid); /* or NULL */
/* The value of an entry of the auxiliary vector; 0: there is none. */
uint64_t core_auxv(const struct core *c, uint64_t type);
/* Word @i of @bytes as the core's machine keeps them; it must be there. */
uint64_t core_word(const struct core *c, const uint8_t *bytes, size_t i);

/* core_machine.c: architectures.  NULL: not one whose cores are read. */
const struct core_machine *core_find_machine(uint16_t elf_machine, uint8_t word);

/* core_mapped.c: NT_FILE */
struct err *core_index_mapped(struct core *c) MUST_CHECK;
const struct core_mapped *core_find_mapped(const struct core *c, uint64_t addr); /* or NULL */
/* A descriptor of a file that is what it was, lent; -1: none, and its verdict says why. */
int core_mapped_fd(struct core *c, uint32_t file);
/* A new one of the same, whatever it is now; -1: there is none. */
int core_open_file(struct core *c, uint32_t file);
void core_close_mapped(struct core *c);
const char *core_verdict_text(enum core_verdict verdict); /* what follows the name of a file */

/* core_mem.c: segments */
extern const struct mem_ops core_mem_ops, core_raw_ops;
struct err *core_index_segments(struct core *c) MUST_CHECK;
struct err *core_maps(struct target *t, struct maps *ret) MUST_CHECK;

#endif
