// Who is alive, without waiting for a heartbeat to expire: each incarnation of an engine holds a lock on a file of its own beside
// the database. The lock belongs to the open file description, so it is gone the moment the process is, and a second engine of
// the same process has one of its own. Never the database file itself: closing any descriptor of that would drop SQLite's own locks.
#pragma once

#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

class engine_lock
{
public:
    // Errors: store_error naming the file.
    engine_lock(std::string const& database, std::string const& engine);
    ~engine_lock();
    engine_lock(engine_lock const&) = delete;
    engine_lock& operator=(engine_lock const&) = delete;

    // True if nobody holds the lock of this engine although its file is there.
    static bool is_free(std::string const& database, std::string const& engine) noexcept;
    static void remove_file(std::string const& database, std::string const& engine) noexcept;

private:
    std::string path_;
    int         file_ = -1;
};

// Turns among writers of one database in different processes. SQLite hands its write lock to whoever asks next, and a busy writer asks
// again at once: so one that waits says so, and one that has just written looks.
class writers_turn
{
public:
    explicit writers_turn(std::string const& database);
    ~writers_turn();
    writers_turn(writers_turn const&) = delete;
    writers_turn& operator=(writers_turn const&) = delete;

    void say_waiting() noexcept;
    void say_done() noexcept;
    bool others_wait() const noexcept;

private:
    int  file_ = -1;
    bool waiting_ = false;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
