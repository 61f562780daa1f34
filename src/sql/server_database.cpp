// A participant's database on a server: a few sessions, each with a thread of its own, that take what waits.
#include "src/barrier/statements.hpp"
#include "src/sql/backend.hpp"
#include "src/sql/job_queue.hpp"
#include "src/sql/session_pool.hpp"

#include <weft/detail/option.hpp>
#include <weft/errors.hpp>
#include <weft/soci_connection.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>
#include <thread>

namespace weft {
inline namespace v0 {

namespace {

using detail::server_kind;

// What one thread does, on a session that it has for so long.
class worker
{
public:
    worker(detail::session_pool& sessions, bool reads_only) : sessions_(sessions), reads_only_(reads_only) { }

    // Throws std::runtime_error that says which server and why.
    void open()
    {
        if (!held_)
            held_ = sessions_.take();
    }
    void close() noexcept { sessions_.drop(std::exchange(held_, nullptr)); }
    void rest() noexcept { sessions_.give_back(std::exchange(held_, nullptr)); }

    detail::server_session& session() noexcept { return held_->session; }
    soci_connection&        connection() noexcept { return held_->connection; }

    // Does the job in a local transaction of its own, and says to it how that ended.
    void apply(detail::sql_job& job) noexcept
    {
        std::string why;
        if (!begin(job.alone(), why))
            return job.lost(why);
        bool const keep = job.run(connection());
        if (keep && session().kind() == server_kind::postgres)
            switch (session().where())
            {
            case detail::server_session::transaction::open:
                break;
            case detail::server_session::transaction::failed:
                // A function that goes on after an error, as if nothing had been: the server would make a rollback of our commit.
                why = "its local transaction had failed before it returned: nothing that was done there counts";
                break;
            default:
                why = ended_by_itself;
            }
        if (!keep || !why.empty())
        {
            bool const of_no_use = !reads_only_ && session().takes_no_writes();
            if (!session().roll_back() || of_no_use || !session().is_as_it_was())
                close();
            return why.empty() ? job.done() : job.lost(why);
        }
        try
        {
            commit(job.alone());
        }
        catch (std::exception const& e)
        {
            if (detail::says_no_savepoint(e))
            {
                if (!session().roll_back() || !session().is_as_it_was())
                    close();
                return job.lost(ended_by_itself);
            }
            // A server that lives and says no has committed nothing.
            bool const certain = detail::fault_of(e) != detail::server_fault::trouble;
            why = (certain ? "the commit was refused: " : "in doubt: the commit failed: ") + detail::server_message(e);
            if (!certain || !session().roll_back())
                close();
            return job.lost(why);
        }
        // What a function has set there is not for the next one.
        if (!session().is_as_it_was())
            close();
        job.done();
    }

private:
    static constexpr char const* ended_by_itself = "its local transaction was ended while it ran, by a statement that commits or by a "
                                                   "deadlock: what it had done by then may count, and is "
                                                   "not recorded; what it did after that does not";

    // Set-up code may well end it on MySQL, which commits at every CREATE or ALTER.
    void commit(bool set_up)
    {
        try
        {
            session().commit();
        }
        catch (std::exception const& e)
        {
            if (!set_up || !detail::says_no_savepoint(e))
                throw;
            session().execute("COMMIT");
        }
    }

    // Twice: an idle session may have been closed by the server, and nothing has been done on it.
    bool begin(bool set_up, std::string& why) noexcept
    {
        for (bool again : {true, false})
            try
            {
                open();
                again = again && !held_->fresh;
                session().begin(reads_only_, set_up);
                why.clear();
                return true;
            }
            catch (std::exception const& e)
            {
                why = detail::server_message(e);
                if (!held_)
                    return false;  // there is none
                close();
                if (!again)
                    return false;
                sessions_.forget_idle();
            }
        return false;
    }

    detail::session_pool&        sessions_;
    bool                         reads_only_;
    detail::session_pool::handle held_;
};

std::size_t number(std::string const& name, std::string const& text)
{
    std::size_t n = 0;
    auto const  end = text.data() + text.size();
    if (auto const r = std::from_chars(text.data(), end, n); r.ec != std::errc() || r.ptr != end || n == 0 || n > 1'000)
        throw misuse(misuse::code::wrong_call, name + " in a database URL is a number from 1 to 1000");
    return n;
}

class server_database final : public database::backend
{
public:
    server_database(std::string_view text, database_options o) : text_(text), url_(detail::parse_server_url(text))
    {
        options = std::move(o);
        session_.lock_timeout = detail::option_time("database_options::busy_timeout", options.busy_timeout);
        session_.take(url_);
        std::erase_if(url_.options, [&](auto const& option) {
            if (option.first == "connections")
                options.connections = number(option.first, option.second);
            else if (option.first == "xa_connections")
                options.xa_connections = number(option.first, option.second);
            else if (option.first == "same_database" && (option.second == "on" || option.second == "off"))
                options.same_database = option.second == "on";
            else
                return false;
            return true;
        });
        detail::check_option("database_options::connections", options.connections, 1, 1'000);
        detail::check_option("database_options::readers", options.readers, 1, 1'000);
        detail::check_option("database_options::xa_connections", options.xa_connections, 1, 1'000);
        detail::check_option("database_options::xa_lock_timeout", options.xa_lock_timeout, 0);
        detail::check_table_name(options.barrier.table);
        detail::check_url(url_, session_, detail::server_session::purpose::participant);
        name = url_.describe();
        xa_options_ = {options.xa_connections, options.xa_lock_timeout, options.barrier};
        for (std::size_t i = 0; i < options.connections + options.readers; ++i)
            workers_.push_back(std::make_unique<worker>(sessions_, i >= options.connections));
        try
        {
            for (std::size_t i = 0; i < workers_.size(); ++i)
                threads_.emplace_back([this, i] { work(*workers_[i], i < options.connections ? writes_ : reads_); });
        }
        catch (...)
        {
            close();
            throw;
        }
    }
    ~server_database() override { close(); }

    std::unique_ptr<detail::sql_job> write(std::unique_ptr<detail::sql_job> job) override { return writes_.add(std::move(job)); }
    std::unique_ptr<detail::sql_job> read(std::unique_ptr<detail::sql_job> job) override { return reads_.add(std::move(job)); }

    std::unique_ptr<detail::xa_resource> make_xa_resource() override { return std::make_unique<detail::xa_resource>(text_, xa_options_); }

    bool on_own_thread() const noexcept override
    {
        return std::any_of(threads_.begin(), threads_.end(), [](auto const& t) { return t.get_id() == std::this_thread::get_id(); });
    }

    void connect() override
    {
        worker mine(sessions_, false);
        try
        {
            prepare(mine);
        }
        catch (...)
        {
            mine.close();
            throw;
        }
        mine.rest();
    }

    // The same database, user and schema: then the store's connection can do there whatever ours can.
    bool holds(soci::session& sql, std::string const& nonce) override
    {
        if (!options.same_database)
            return false;
        bool const  postgres = url_.kind == server_kind::postgres;
        std::string tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = " +
                             std::string(postgres ? "current_schema()" : "DATABASE()") + " AND table_name LIKE '%kv'";
        std::vector<std::string>        names;
        soci::rowset<std::string> const found = (sql.prepare << tables);
        for (auto const& n : found)
            if (std::all_of(n.begin(), n.end(),
                            [](unsigned char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); }))
                names.push_back(n);
        for (auto const& table : names)
        {
            int rows = 0;
            sql << "SELECT count(*) FROM " + table +
                       " WHERE cat = 'nonce' AND k = :k AND v = " + (postgres ? "current_user" : "CURRENT_USER()"),
                soci::use(nonce), soci::into(rows);
            if (rows > 0)
                return true;
        }
        return false;
    }

private:
    // Before anything else is done there, by whoever comes first. What a wrong URL, a server that is down or a missing privilege comes to is
    // said here. Leaves the session open.
    void prepare(worker& first)
    {
        if (prepared_.load(std::memory_order_acquire))
            return;
        first.open();
        std::lock_guard lock(preparing_);
        if (prepared_.load(std::memory_order_relaxed))
            return;
        try
        {
            barrier::create_table(first.connection(), options.barrier);
            first.session().execute("COMMIT");
        }
        catch (std::exception const& e)
        {
            first.session().roll_back();
            // Another process may have been making it at the same moment.
            if (!exists(first))
                throw std::runtime_error(name + ": the barrier's table " + options.barrier.table +
                                         " cannot be created: " + detail::server_message(e));
        }
        options.barrier.table = first.session().qualified(options.barrier.table);
        first.session().roll_back();
        prepared_.store(true, std::memory_order_release);
    }

    bool exists(worker& first)
    {
        try
        {
            bool const there = barrier::has_table(first.connection(), options.barrier);
            first.session().roll_back();
            return there;
        }
        catch (std::exception const&)
        {
            return false;
        }
    }

    void work(worker& w, detail::job_queue& queue) noexcept
    {
        for (;;)
        {
            auto const next = queue.take(1);
            if (next.empty())
                return;
            do_job(w, *next.front());
            w.rest();
        }
    }

    void do_job(worker& w, detail::sql_job& job) noexcept
    {
        try
        {
            prepare(w);
        }
        catch (std::exception const& e)
        {
            w.close();
            return job.lost(detail::server_message(e));
        }
        w.apply(job);
    }

    void close() noexcept
    {
        writes_.close();
        reads_.close();
        for (auto& t : threads_)
            t.join();
        threads_.clear();
    }

    std::string                          text_;
    detail::xa_options                   xa_options_;
    detail::server_url                   url_;
    detail::server_options               session_;
    detail::session_pool                 sessions_{url_, session_, detail::server_session::purpose::participant};
    std::vector<std::unique_ptr<worker>> workers_;
    detail::job_queue                    writes_, reads_;
    std::vector<std::thread>             threads_;
    std::atomic<bool>                    prepared_{false};
    std::mutex                           preparing_;
};

}  // namespace

std::unique_ptr<database::backend> open_server_database(std::string_view url, database_options options)
{
    return std::make_unique<server_database>(url, std::move(options));
}

}  // namespace v0
}  // namespace weft
