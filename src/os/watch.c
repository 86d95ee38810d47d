/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/watch.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/map.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/os/file.h"

/*
 * The kernel gives one watch descriptor per inode, so several spellings of a directory (symbolic links, bind
 * mounts) share one: struct node, which lists them. Events are first gathered by (descriptor, name), which
 * coalesces repeats, then told; so the callback may change the watches.
 */
#define READ_BYTES (64u << 10) /* at once; at least 240 events with the longest names */
#define READS_MAX  8	       /* per call: the control thread has other work */
#define KERNEL_MASK                                                                                                    \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB |                \
		IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct node {
	int wd;
	VEC(struct dir *) dirs;
};

struct dir {
	size_t refs;
	struct node *node; /* NULL: gone, not watched */
	size_t len;
	char path[];
};

struct watch {
	int fd;
	struct map dirs;  /* path → struct dir */
	struct map nodes; /* wd → struct node */
};

/* A thing that something happened to, in order of the first event. */
struct change {
	int wd;
	unsigned events;
};

int
watch_new(struct watch **ret)
{
	struct watch *w;
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0)
		return -errno;
	w = mem_new(struct watch);
	w->fd = fd;
	map_init(&w->dirs);
	map_init(&w->nodes);
	*ret = w;
	return 0;
}

void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < map_len(&w->dirs); i++)
		mem_free(map_value(&w->dirs, i));
	for (size_t i = 0; i < map_len(&w->nodes); i++) {
		struct node *node = map_value(&w->nodes, i);

		vec_done(&node->dirs);
		mem_free(node);
	}
	map_done(&w->dirs);
	map_done(&w->nodes);
	(void)close(w->fd);
	mem_free(w);
}

int
watch_fd(const struct watch *w)
{
	return w->fd;
}

size_t
watch_dirs(const struct watch *w)
{
	size_t n = 0;

	for (size_t i = 0; i < map_len(&w->dirs); i++)
		n += ((const struct dir *)map_value(&w->dirs, i))->node != NULL;
	return n;
}

static struct str
wd_key(const int *wd)
{
	return (struct str){(const char *)wd, sizeof(*wd)};
}

static int
node_get(struct watch *w, const char *path, struct node **ret)
{
	struct node *node;
	int wd;

	if (file_remote(path) != NULL)
		return -EREMOTE;
	wd = inotify_add_watch(w->fd, path, KERNEL_MASK);
	if (wd < 0)
		return -errno;
	node = map_get(&w->nodes, wd_key(&wd));
	if (node == NULL) {
		node = mem_new(struct node);
		node->wd = wd;
		(void)map_set(&w->nodes, wd_key(&wd), node);
	}
	*ret = node;
	return 0;
}

int
watch_dir_add(struct watch *w, const char *path)
{
	struct dir *dir = map_get(&w->dirs, str_from(path));
	struct node *node = NULL;
	int r;

	if (dir == NULL || dir->node == NULL) {
		r = node_get(w, path, &node);
		if (r < 0)
			return r;
		if (dir == NULL) {
			dir = mem_zalloc(sizeof(*dir) + strlen(path));
			dir->len = strlen(path);
			memcpy(dir->path, path, dir->len);
			(void)map_set(&w->dirs, str_from(path), dir);
		}
		dir->node = node;
		vec_push(&node->dirs, dir);
	}
	dir->refs++;
	return 0;
}

static void
node_forget(struct watch *w, struct node *node)
{
	for (size_t i = 0; i < node->dirs.len; i++)
		node->dirs.items[i]->node = NULL;
	(void)map_remove(&w->nodes, wd_key(&node->wd));
	vec_done(&node->dirs);
	mem_free(node);
}

void
watch_dir_remove(struct watch *w, const char *path)
{
	struct dir *dir = map_get(&w->dirs, str_from(path));
	struct node *node;

	if (dir == NULL || --dir->refs > 0)
		return;
	node = dir->node;
	for (size_t i = 0; node != NULL && i < node->dirs.len; i++) {
		if (node->dirs.items[i] == dir) {
			vec_remove(&node->dirs, i);
			break;
		}
	}
	if (node != NULL && node->dirs.len == 0) {
		(void)inotify_rm_watch(w->fd, node->wd);
		node_forget(w, node);
	}
	(void)map_remove(&w->dirs, str_from(path));
	mem_free(dir);
}

static unsigned
events_of(uint32_t mask)
{
	unsigned events = 0;

	if ((mask & (IN_MODIFY | IN_CLOSE_WRITE)) != 0)
		events |= WATCH_CHANGED;
	if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0)
		events |= WATCH_APPEARED;
	if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
		events |= WATCH_GONE;
	if ((mask & IN_ATTRIB) != 0)
		events |= WATCH_ATTRIB;
	if ((mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0)
		events |= WATCH_DIR_GONE;
	if ((mask & IN_Q_OVERFLOW) != 0)
		events |= WATCH_LOST;
	return events;
}

/* Key: the descriptor, then the name. */
static void
gather(struct map *changes, const struct inotify_event *e)
{
	size_t name_len = e->len > 0 ? strnlen(e->name, e->len) : 0;
	char key[sizeof(e->wd) + 256];
	struct change *change;
	struct str k;

	if (name_len > sizeof(key) - sizeof(e->wd))
		name_len = sizeof(key) - sizeof(e->wd);
	memcpy(key, &e->wd, sizeof(e->wd));
	memcpy(key + sizeof(e->wd), e->name, name_len);
	k = (struct str){key, sizeof(e->wd) + name_len};
	change = map_get(changes, k);
	if (change == NULL) {
		change = mem_new(struct change);
		change->wd = e->wd;
		(void)map_set(changes, k, change);
	}
	change->events |= events_of(e->mask);
}

/* Tells one change under each spelling of its directory. They are looked up anew each time, because fn may remove any.
 */
static void
tell(struct watch *w, int wd, struct str name, unsigned events, void (*fn)(void *, struct str, struct str, unsigned),
	void *ptr)
{
	const struct node *node = map_get(&w->nodes, wd_key(&wd));
	struct map paths;

	if (node == NULL)
		return;
	map_init(&paths);
	for (size_t i = 0; i < node->dirs.len; i++)
		(void)map_set(&paths, (struct str){node->dirs.items[i]->path, node->dirs.items[i]->len}, w);
	if ((events & WATCH_DIR_GONE) != 0) {
		/* A renamed directory is still watched by the kernel, under a name that is wrong now. */
		(void)inotify_rm_watch(w->fd, wd);
		node_forget(w, map_get(&w->nodes, wd_key(&wd)));
		events = WATCH_DIR_GONE;
	}
	for (size_t i = 0; i < map_len(&paths); i++)
		if (map_has(&w->dirs, map_key(&paths, i)))
			fn(ptr, map_key(&paths, i), name, events);
	map_done(&paths);
}

int
watch_read(struct watch *w, void (*fn)(void *ptr, struct str dir, struct str name, unsigned events), void *ptr)
{
	_Alignas(struct inotify_event) char bytes[READ_BYTES];
	struct map changes;
	ssize_t n = 0;
	int r = 0;

	map_init(&changes);
	for (int i = 0; i < READS_MAX; i++) {
		n = read(w->fd, bytes, sizeof(bytes));
		if (n <= 0)
			break;
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const struct inotify_event *)(const void *)(bytes + at);

			gather(&changes, e);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		r = -errno;
	for (size_t i = 0; i < map_len(&changes); i++) {
		struct change *change = map_value(&changes, i);

		if ((change->events & WATCH_LOST) != 0)
			fn(ptr, STR_EMPTY, STR_EMPTY, WATCH_LOST);
		else if (change->events != 0)
			tell(w, change->wd, str_from_offset(map_key(&changes, i), sizeof(change->wd)), change->events,
				fn, ptr);
		mem_free(change);
	}
	map_done(&changes);
	return r;
}
