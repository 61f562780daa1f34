#include "src/store/sql/engine_lock.hpp"

#include <weft/errors.hpp>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

std::string lock_path(std::string const& database, std::string const& engine) { return database + "-engine-" + engine; }

// A child process that is started without exec shares the description and with it the lock, until the heartbeat expires; one that
// execs does not, because of O_CLOEXEC.
int open_file(std::string const& path, int flags) noexcept { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | flags, 0666); }

struct flock whole_file(short type) noexcept
{
    struct flock l
    { };
    l.l_type = type;
    l.l_whence = SEEK_SET;
    return l;
}

}  // namespace

engine_lock::engine_lock(std::string const& database, std::string const& engine) : path_(lock_path(database, engine))
{
    file_ = open_file(path_, O_CREAT);
    auto lock = whole_file(F_WRLCK);
    if (file_ < 0 || ::fcntl(file_, F_OFD_SETLK, &lock) != 0)
    {
        std::string const why = std::strerror(errno);
        if (file_ >= 0)
            ::close(file_);
        throw store_error("the engine's lock file " + path_ + " cannot be locked: " + why);
    }
}

engine_lock::~engine_lock()
{
    ::unlink(path_.c_str());
    ::close(file_);
}

bool engine_lock::is_free(std::string const& database, std::string const& engine) noexcept
{
    int const file = open_file(lock_path(database, engine), 0);
    if (file < 0)
        return false;  // no file, no evidence: the heartbeat tells
    auto       lock = whole_file(F_WRLCK);
    bool const known = ::fcntl(file, F_OFD_GETLK, &lock) == 0;
    ::close(file);
    return known && lock.l_type == F_UNLCK;
}

void engine_lock::remove_file(std::string const& database, std::string const& engine) noexcept
{
    ::unlink(lock_path(database, engine).c_str());
}

writers_turn::writers_turn(std::string const& database) : file_(open_file(database + "-writers", O_CREAT)) { }

writers_turn::~writers_turn()
{
    if (file_ >= 0)
        ::close(file_);
}

void writers_turn::say_waiting() noexcept
{
    if (file_ < 0 || waiting_)
        return;
    auto lock = whole_file(F_RDLCK);
    waiting_ = ::fcntl(file_, F_OFD_SETLK, &lock) == 0;
}

void writers_turn::say_done() noexcept
{
    if (!waiting_)
        return;
    auto lock = whole_file(F_UNLCK);
    ::fcntl(file_, F_OFD_SETLK, &lock);
    waiting_ = false;
}

bool writers_turn::others_wait() const noexcept
{
    if (file_ < 0)
        return false;
    auto lock = whole_file(F_WRLCK);
    return ::fcntl(file_, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
