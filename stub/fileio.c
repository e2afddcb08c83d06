/* SPDX-License-Identifier: MIT */
#include "stub/fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#define UNKNOWN 9999u

unsigned int fileio_errno(int os_errno)
{
	static const struct {
		int os;
		unsigned int wire;
	} table[] = {
		{ EPERM, 1 },	      { ENOENT, 2 },  { EINTR, 4 },    { EIO, 5 },
		{ EBADF, 9 },	      { EACCES, 13 }, { EFAULT, 14 },  { EBUSY, 16 },
		{ EEXIST, 17 },	      { ENODEV, 19 }, { ENOTDIR, 20 }, { EISDIR, 21 },
		{ EINVAL, 22 },	      { ENFILE, 23 }, { EMFILE, 24 },  { EFBIG, 27 },
		{ ENOSPC, 28 },	      { ESPIPE, 29 }, { EROFS, 30 },   { ENOSYS, 88 },
		{ ENAMETOOLONG, 91 },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].os == os_errno)
			return table[i].wire;
	return UNKNOWN;
}

bool fileio_open_flags(uint64_t wire, int *ret)
{
	static const struct {
		uint64_t wire;
		int os;
	} table[] = {
		{ 0x1, O_WRONLY },  { 0x2, O_RDWR },	{ 0x8, O_APPEND },
		{ 0x200, O_CREAT }, { 0x400, O_TRUNC }, { 0x800, O_EXCL },
	};
	int flags = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (wire & table[i].wire)
			flags |= table[i].os;
		wire &= ~table[i].wire;
	}
	if (wire || (flags & O_ACCMODE) == O_ACCMODE)
		return false;
	*ret = flags;
	return true;
}

static uint8_t *put(uint8_t *at, uint64_t value, unsigned int bytes)
{
	while (bytes--)
		*at++ = (uint8_t)(value >> 8 * bytes);
	return at;
}

void fileio_stat(const struct stat *st, uint8_t ret[FILEIO_STAT_SIZE])
{
	ret = put(ret, st->st_dev, 4);
	ret = put(ret, st->st_ino, 4);
	ret = put(ret, st->st_mode, 4);
	ret = put(ret, st->st_nlink, 4);
	ret = put(ret, st->st_uid, 4);
	ret = put(ret, st->st_gid, 4);
	ret = put(ret, st->st_rdev, 4);
	ret = put(ret, (uint64_t)st->st_size, 8);
	ret = put(ret, (uint64_t)st->st_blksize, 8);
	ret = put(ret, (uint64_t)st->st_blocks, 8);
	ret = put(ret, (uint64_t)st->st_atime, 4);
	ret = put(ret, (uint64_t)st->st_mtime, 4);
	(void)put(ret, (uint64_t)st->st_ctime, 4);
}
