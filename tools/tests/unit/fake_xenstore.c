/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_xenstore.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <xenstore.h>

#define NODES 400
#define PATH_ROOM 200
#define TRANSACTIONS 8
#define HANDLES 16

struct node {
    char path[PATH_ROOM];
    char *value; /* NULL: the slot is free */
};

struct tree {
    struct node nodes[NODES];
};

struct xs_handle {
    bool open;
    char watched[PATH_ROOM];
    int fd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tree *store;
static struct tree *transactions[TRANSACTIONS];
static unsigned int generation, began[TRANSACTIONS];
static unsigned int conflicts;
static struct xs_handle handles[HANDLES];
static bool is_down;

/* ---- trees ---- */

static struct node *find(struct tree *tree, const char *path)
{
    for (size_t i = 0; tree && i < NODES; i++) {
        if (tree->nodes[i].value && !strcmp(tree->nodes[i].path, path)) {
            return &tree->nodes[i];
        }
    }
    return NULL;
}

static void set(struct tree *tree, const char *path, const char *value,
                size_t length)
{
    struct node *node = find(tree, path);
    const char *slash = strrchr(path, '/');
    char parent[PATH_ROOM];

    if (slash && slash != path) {
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        if (!find(tree, parent)) {
            set(tree, parent, "", 0);
        }
    }
    for (size_t i = 0; !node && i < NODES; i++) {
        if (!tree->nodes[i].value) {
            node = &tree->nodes[i];
        }
    }
    if (!node) {
        abort();
    }
    snprintf(node->path, sizeof(node->path), "%s", path);
    free(node->value);
    node->value = strndup(value, length);
}

static bool is_below(const char *path, const char *top)
{
    size_t length = strlen(top);

    return !strncmp(path, top, length) &&
           (path[length] == '\0' || path[length] == '/');
}

static void clear(struct tree *tree, const char *top)
{
    for (size_t i = 0; tree && i < NODES; i++) {
        struct node *node = &tree->nodes[i];

        if (node->value && is_below(node->path, top)) {
            free(node->value);
            node->value = NULL;
        }
    }
}

static struct tree *copy(const struct tree *tree)
{
    struct tree *made = calloc(1, sizeof(*made));

    for (size_t i = 0; tree && i < NODES; i++) {
        if (tree->nodes[i].value) {
            made->nodes[i] = tree->nodes[i];
            made->nodes[i].value = strdup(tree->nodes[i].value);
        }
    }
    return made;
}

static struct tree *the_store(void)
{
    if (!store) {
        store = copy(NULL);
    }
    return store;
}

static struct tree *tree_of(xs_transaction_t t)
{
    return t ? transactions[t - 1] : the_store();
}

static void fire(const char *path)
{
    generation++;
    for (size_t i = 0; i < HANDLES; i++) {
        if (handles[i].open && handles[i].watched[0] &&
            (is_below(path, handles[i].watched) ||
             is_below(handles[i].watched, path))) {
            eventfd_write(handles[i].fd, 1);
        }
    }
}

/* ---- for tests ---- */

void fake_store_clear(void)
{
    pthread_mutex_lock(&lock);
    clear(store, "");
    free(store);
    store = NULL;
    conflicts = 0;
    is_down = false;
    pthread_mutex_unlock(&lock);
}

void fake_store_put(const char *path, const char *value)
{
    pthread_mutex_lock(&lock);
    if (value) {
        set(the_store(), path, value, strlen(value));
    } else {
        clear(store, path);
    }
    fire(path);
    pthread_mutex_unlock(&lock);
}

const char *fake_store_get(const char *path)
{
    static __thread char value[1024];
    struct node *node;

    pthread_mutex_lock(&lock);
    node = find(store, path);
    if (node) {
        snprintf(value, sizeof(value), "%s", node->value);
    }
    pthread_mutex_unlock(&lock);
    return node ? value : NULL;
}

void fake_store_conflicts(unsigned int count)
{
    pthread_mutex_lock(&lock);
    conflicts = count;
    pthread_mutex_unlock(&lock);
}

void fake_store_down(bool down)
{
    is_down = down;
}

unsigned int fake_store_handles(void)
{
    unsigned int count = 0;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < HANDLES; i++) {
        count += handles[i].open;
    }
    pthread_mutex_unlock(&lock);
    return count;
}

/* ---- libxenstore ---- */

struct xs_handle *xs_open(unsigned long flags)
{
    struct xs_handle *xs = NULL;

    (void)flags;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; !xs && !is_down && i < HANDLES; i++) {
        if (!handles[i].open) {
            xs = &handles[i];
            *xs = (struct xs_handle){
                .open = true,
                .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
            };
        }
    }
    pthread_mutex_unlock(&lock);
    if (!xs) {
        errno = ENOENT;
    }
    return xs;
}

void xs_close(struct xs_handle *xs)
{
    if (!xs) {
        return;
    }
    pthread_mutex_lock(&lock);
    close(xs->fd);
    xs->open = false;
    pthread_mutex_unlock(&lock);
}

void *xs_read(struct xs_handle *xs, xs_transaction_t t, const char *path,
              unsigned int *length)
{
    struct node *node;
    char *value = NULL;

    (void)xs;
    pthread_mutex_lock(&lock);
    node = find(tree_of(t), path);
    if (node) {
        value = strdup(node->value);
        *length = strlen(value);
    }
    pthread_mutex_unlock(&lock);
    if (!value) {
        errno = ENOENT;
    }
    return value;
}

static bool put(xs_transaction_t t, const char *path, const void *data,
                unsigned int length)
{
    pthread_mutex_lock(&lock);
    set(tree_of(t), path, data, length);
    if (!t) {
        fire(path);
    }
    pthread_mutex_unlock(&lock);
    return true;
}

bool xs_write(struct xs_handle *xs, xs_transaction_t t, const char *path,
              const void *data, unsigned int length)
{
    (void)xs;
    return put(t, path, data, length);
}

bool xs_mkdir(struct xs_handle *xs, xs_transaction_t t, const char *path)
{
    (void)xs;
    return put(t, path, "", 0);
}

bool xs_rm(struct xs_handle *xs, xs_transaction_t t, const char *path)
{
    (void)xs;
    pthread_mutex_lock(&lock);
    clear(tree_of(t), path);
    if (!t) {
        fire(path);
    }
    pthread_mutex_unlock(&lock);
    return true;
}

bool xs_set_permissions(struct xs_handle *xs, xs_transaction_t t,
                        const char *path, struct xs_permissions *perms,
                        unsigned int count)
{
    (void)xs;
    (void)t;
    (void)path;
    return count == 1 && perms[0].id == 0 && perms[0].perms == XS_PERM_NONE;
}

/* Laid out as libxenstore does, pointers and then the strings, so that one
 * free() frees all. */
char **xs_directory(struct xs_handle *xs, xs_transaction_t t, const char *path,
                    unsigned int *count)
{
    size_t top = strlen(path);
    char **names, *text;
    struct tree *tree;

    (void)xs;
    names = malloc(NODES * (sizeof(char *) + PATH_ROOM));
    text = (char *)(names + NODES);
    *count = 0;
    pthread_mutex_lock(&lock);
    tree = tree_of(t);
    for (size_t i = 0; i < NODES; i++) {
        const struct node *node = &tree->nodes[i];

        if (node->value && is_below(node->path, path) &&
            node->path[top] == '/' && !strchr(node->path + top + 1, '/')) {
            names[(*count)++] = text;
            text += sprintf(text, "%s", node->path + top + 1) + 1;
        }
    }
    if (!*count && !find(tree, path)) {
        free(names);
        names = NULL;
    }
    pthread_mutex_unlock(&lock);
    if (!names) {
        errno = ENOENT;
    }
    return names;
}

bool xs_watch(struct xs_handle *xs, const char *path, const char *token)
{
    (void)token;
    pthread_mutex_lock(&lock);
    snprintf(xs->watched, sizeof(xs->watched), "%s", path);
    eventfd_write(xs->fd, 1); /* each watch fires once when it is set */
    pthread_mutex_unlock(&lock);
    return true;
}

int xs_fileno(struct xs_handle *xs)
{
    return xs->fd;
}

char **xs_check_watch(struct xs_handle *xs)
{
    eventfd_t events;

    if (eventfd_read(xs->fd, &events)) {
        return NULL;
    }
    return calloc(2, sizeof(char *));
}

xs_transaction_t xs_transaction_start(struct xs_handle *xs)
{
    xs_transaction_t t = 0;

    (void)xs;
    pthread_mutex_lock(&lock);
    for (unsigned int i = 0; !t && i < TRANSACTIONS; i++) {
        if (!transactions[i]) {
            transactions[i] = copy(store);
            began[i] = generation;
            t = i + 1;
        }
    }
    pthread_mutex_unlock(&lock);
    return t;
}

bool xs_transaction_end(struct xs_handle *xs, xs_transaction_t t, bool cancel)
{
    struct tree *tree;
    bool done = true;

    (void)xs;
    pthread_mutex_lock(&lock);
    tree = transactions[t - 1];
    transactions[t - 1] = NULL;
    if (!cancel && (conflicts || began[t - 1] != generation)) {
        conflicts -= conflicts > 0;
        done = false;
    }
    if (!cancel && done) {
        struct tree *before = the_store();

        store = tree;
        tree = before;
        fire("");
    }
    clear(tree, "");
    free(tree);
    pthread_mutex_unlock(&lock);
    if (!done) {
        errno = EAGAIN;
    }
    return done;
}
