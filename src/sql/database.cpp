// A participant's database, as its users see it.
#include "src/sql/backend.hpp"
#include "src/sql/server_url.hpp"
#include "src/xa/resource.hpp"

#include <weft/errors.hpp>
#include <weft/soci_connection.hpp>
#include <weft/xa.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>

namespace weft {
inline namespace v0 {

namespace {

constexpr char const* closing = "the database was closed before the operation began";

// Work that somebody waits for.
class waited_for final : public detail::sql_job
{
public:
    // Whoever takes the turn first: this, when it is run, or its waiter, who gives it up.
    using turn = std::atomic<bool>;

    waited_for(std::function<void(soci::session&)> work, std::shared_ptr<turn> t) : work_(std::move(work)), turn_(std::move(t)) { }

    std::future<void> future() { return done_.get_future(); }

    // Its function may capture, count, print: nobody expects it to be called twice.
    bool alone() const noexcept override { return true; }

    bool run(soci_connection& c) noexcept override
    {
        if (turn_->exchange(true))
            return false;
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

    std::function<void(soci::session&)> work_;
    std::shared_ptr<turn>               turn_;
    std::exception_ptr                  error_;
    std::promise<void>                  done_;
};

// Has `ask` do `f`, and waits for it. False: it had not begun after `patience`, and never will.
template <class Ask>
bool wait_for_job(std::function<void(soci::session&)> f, std::optional<std::chrono::milliseconds> patience, Ask ask)
{
    auto const turn = std::make_shared<waited_for::turn>(false);
    auto       job = std::make_unique<waited_for>(std::move(f), turn);
    auto       end = job->future();
    if (auto refused = ask(std::move(job)))
        refused->lost(closing);
    if (patience && end.wait_for(*patience) == std::future_status::timeout && !turn->exchange(true))
        return false;
    end.get();
    return true;
}

// Null: no engine has been told of this database.
detail::xa_resource* known_xa(database::backend& b)
{
    std::lock_guard lock(b.xa_mutex);
    return b.xa.get();
}

}  // namespace

database::database(std::string_view url, database_options options)
    : backend_(detail::server_kind_of(url.substr(0, url.find("://"))) ? open_server_database(url, std::move(options))
                                                                      : open_sqlite_database(url, std::move(options)))
{ }
database::~database() = default;

void database::connect()
{
    if (auto* const xa = known_xa(*backend_))
        xa->connect();  // first: where nothing can be prepared nothing is made
    backend_->connect();
}

std::string database::describe() const { return backend_->name; }

weft::barrier_options const& database::barrier() const noexcept { return backend_->options.barrier; }

// Asked soon or not at all: others may read for minutes.
bool database::holds(std::string const& nonce)
{
    refuse_own_thread();
    auto const answer = std::make_shared<bool>(false);
    auto const look = [this, nonce, answer](soci::session& sql) { *answer = backend_->holds(sql, nonce); };
    if (!wait_for_job(look, std::chrono::seconds(1), [&](auto job) { return backend_->read(std::move(job)); }))
        throw std::runtime_error("those who read " + describe() + " are busy with something else");
    return *answer;
}

void database::submit(std::unique_ptr<detail::sql_job> job)
{
    if (auto refused = backend_->write(std::move(job)))
        refused->lost(closing);
}

void database::attach(std::string const& store_id)
{
    std::lock_guard lock(backend_->xa_mutex);
    if (!backend_->xa)
        backend_->xa = backend_->make_xa_resource();
    backend_->xa->attach(store_id);
}

std::vector<prepared_branch> database::prepared()
{
    auto* const xa = known_xa(*backend_);
    return xa ? xa->prepared() : std::vector<prepared_branch>();
}

void database::roll_back(prepared_branch const& b)
{
    if (auto* const xa = known_xa(*backend_))
        xa->roll_back(b);
}

void database::interrupt() noexcept
{
    if (auto* const xa = known_xa(*backend_))
        xa->interrupt();
}

void database::submit(operation_call call, std::unique_ptr<detail::xa_business> business)
{
    if (auto* const xa = known_xa(*backend_))
        return xa->submit(std::move(call), std::move(business));
    std::move(call).answer_permanent_error("the engine has not been told of " + describe() + ": engine.add(database)");
}

void database::refuse_own_thread() const
{
    if (backend_->on_own_thread())
        throw misuse(misuse::code::wrong_thread, "run and read must not be called on the database's own threads: use the session there");
}

void database::on_writer(work const& f)
{
    refuse_own_thread();
    wait_for_job(f, std::nullopt, [&](auto job) { return backend_->write(std::move(job)); });
}

void database::on_reader(work const& f)
{
    refuse_own_thread();
    wait_for_job(f, std::nullopt, [&](auto job) { return backend_->read(std::move(job)); });
}

}  // namespace v0
}  // namespace weft
