// A participant's database, as its users see it.
#include "src/sql/backend.hpp"
#include "src/sql/server_url.hpp"

#include <weft/errors.hpp>
#include <weft/soci_connection.hpp>

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>

namespace weft {
inline namespace v0 {

namespace {

constexpr char const* closing = "the database was closed before the operation began";

// Work that somebody waits for.
class waited_for final : public detail::sql_job
{
public:
    explicit waited_for(std::function<void(soci::session&)> const& work) : work_(work) { }

    std::future<void> future() { return done_.get_future(); }

    // Its function may capture, count, print: nobody expects it to be called twice.
    bool alone() const noexcept override { return true; }

    bool run(soci_connection& c) noexcept override
    {
        try
        {
            work_(c.session());
            return true;
        }
        catch (...)
        {
            error_ = std::current_exception();
            return false;
        }
    }

    void done() noexcept override { end(error_); }

    void lost(std::string const& why) noexcept override { end(error_ ? error_ : std::make_exception_ptr(std::runtime_error(why))); }

private:
    void end(std::exception_ptr e) noexcept
    {
        if (e)
            done_.set_exception(e);
        else
            done_.set_value();
    }

    std::function<void(soci::session&)> const& work_;
    std::exception_ptr                         error_;
    std::promise<void>                         done_;
};

// A question that is asked soon or not at all: others may read for minutes.
class soon final : public detail::sql_job
{
public:
    struct state
    {
        std::mutex              mutex;
        std::condition_variable changed;
        bool                    begun = false, ended = false, given_up = false, answer = false;
        std::exception_ptr      error;
    };

    soon(std::shared_ptr<state> s, std::function<bool(soci::session&)> question) : state_(std::move(s)), question_(std::move(question)) { }

    bool alone() const noexcept override { return true; }

    bool run(soci_connection& c) noexcept override
    {
        {
            std::lock_guard lock(state_->mutex);
            if (state_->given_up)
                return false;
            state_->begun = true;
        }
        state_->changed.notify_all();
        try
        {
            answer_ = question_(c.session());
            return true;
        }
        catch (...)
        {
            error_ = std::current_exception();
            return false;
        }
    }

    void done() noexcept override { end(error_); }
    void lost(std::string const& why) noexcept override { end(error_ ? error_ : std::make_exception_ptr(std::runtime_error(why))); }

private:
    void end(std::exception_ptr error) noexcept
    {
        {
            std::lock_guard lock(state_->mutex);
            state_->ended = true;
            state_->answer = answer_;
            state_->error = error;
        }
        state_->changed.notify_all();
    }

    std::shared_ptr<state>              state_;
    std::function<bool(soci::session&)> question_;
    std::exception_ptr                  error_;
    bool                                answer_ = false;
};

// Has `ask` do `f`, and waits for it.
template <class Ask>
void wait_for_job(std::function<void(soci::session&)> const& f, Ask ask)
{
    auto job = std::make_unique<waited_for>(f);
    auto end = job->future();
    if (auto refused = ask(std::move(job)))
        refused->lost(closing);
    end.get();
}

}  // namespace

database::database(std::string_view url, database_options options)
    : backend_(detail::server_kind_of(url.substr(0, url.find("://"))) ? open_server_database(url, std::move(options))
                                                                      : open_sqlite_database(url, std::move(options)))
{ }
database::~database() = default;

void database::connect() { backend_->connect(); }

std::string const& database::describe() const noexcept { return backend_->name; }

weft::barrier_options const& database::barrier() const noexcept { return backend_->options.barrier; }

bool database::holds(std::string const& nonce)
{
    constexpr std::chrono::seconds patience(1);
    refuse_own_thread();
    auto const s = std::make_shared<soon::state>();
    auto       job = std::make_unique<soon>(s, [this, nonce](soci::session& sql) { return backend_->holds(sql, nonce); });
    if (auto refused = backend_->read(std::move(job)))
        refused->lost(closing);
    std::unique_lock lock(s->mutex);
    if (!s->changed.wait_for(lock, patience, [&] { return s->begun || s->ended; }))
    {
        s->given_up = true;
        throw std::runtime_error("those who read " + describe() + " are busy with something else");
    }
    s->changed.wait(lock, [&] { return s->ended; });
    if (s->error)
        std::rethrow_exception(s->error);
    return s->answer;
}

void database::submit(std::unique_ptr<detail::sql_job> job)
{
    if (auto refused = backend_->write(std::move(job)))
        refused->lost(closing);
}

void database::refuse_own_thread() const
{
    if (backend_->on_own_thread())
        throw misuse(misuse::code::wrong_thread, "run and read must not be called on the database's own threads: use the session there");
}

void database::on_writer(work const& f)
{
    refuse_own_thread();
    wait_for_job(f, [&](auto job) { return backend_->write(std::move(job)); });
}

void database::on_reader(work const& f)
{
    refuse_own_thread();
    wait_for_job(f, [&](auto job) { return backend_->read(std::move(job)); });
}

}  // namespace v0
}  // namespace weft
