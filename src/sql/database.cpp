// A participant's SQLite database: one thread that writes, and some that read.
#include "src/sql/group.hpp"
#include "src/sql/job_queue.hpp"
#include "src/sql/url.hpp"

#include <weft/database.hpp>
#include <weft/errors.hpp>

#include <future>
#include <thread>

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

std::filesystem::path sqlite_file(detail::database_url const& url)
{
    if (url.scheme != "sqlite")
        throw misuse(misuse::code::wrong_call, "weft::database knows sqlite:// only in this version, not " + url.scheme + "://");
    if (url.path.empty() || url.path.starts_with(':') || url.path.starts_with("file:"))
        throw misuse(misuse::code::wrong_call,
                     "weft::database needs a file, which several connections can open: sqlite:///absolute/path.db "
                     "or sqlite://relative.db");
    // Absolute from here on: the program may change its working directory between two sessions.
    return std::filesystem::absolute(url.path);
}

void apply_options(detail::database_url const& url, database_options& options)
{
    for (auto const& [name, value] : url.options)
        if (name == "busy_timeout")
            options.busy_timeout = detail::parse_duration(name, value);
        else if (name == "foreign_keys" && (value == "on" || value == "off"))
            options.foreign_keys = value == "on";
        else
            throw misuse(misuse::code::wrong_call,
                         "the options of a sqlite:// URL are busy_timeout=… and foreign_keys=on|off, not " + name);
    if (options.group_limit == 0 || options.readers == 0)
        throw misuse(misuse::code::wrong_call, "weft::database needs a group_limit and a number of readers of at least 1");
}

}  // namespace

struct database::impl
{
    impl(std::string_view text, database_options o) : options(std::move(o))
    {
        auto const url = detail::parse_database_url(text);
        file = sqlite_file(url);
        apply_options(url, options);
        name = "sqlite " + file.string();

        // Opened here, where errors can be thrown; each is then used by its own thread only.
        writer = std::make_unique<detail::sqlite_session>(file, options.busy_timeout);
        writer->make_durable();
        writer->create_barrier_table(options.barrier);
        if (options.foreign_keys)
            writer->execute(*options.foreign_keys ? "pragma foreign_keys = on" : "pragma foreign_keys = off");
        for (std::size_t i = 0; i < options.readers; ++i)
            readers.emplace_back(std::make_unique<detail::sqlite_session>(file, options.busy_timeout))->only_read();

        try
        {
            threads.emplace_back([this] { write(); });
            for (auto& r : readers)
                threads.emplace_back([this, &session = *r] { read(session); });
        }
        catch (...)
        {
            close();
            throw;
        }
    }

    ~impl() { close(); }

    void close() noexcept
    {
        writes.close();
        reads.close();
        for (auto& t : threads)
            t.join();
        threads.clear();
    }

    void write() noexcept
    {
        detail::group_committer committer(*writer);
        unsigned                without_pause = 0;
        for (;;)
        {
            auto const group = writes.take(options.group_limit);
            if (group.empty())
                return;
            committer.apply(group);

            // Between commit and begin there is too little time for a writer of another process, and it would starve.
            without_pause = writes.empty() ? 0 : without_pause + 1;
            if (without_pause % 32 == 31)
                sqlite_api::sqlite3_sleep(2);
        }
    }

    void read(detail::sqlite_session& session) noexcept
    {
        for (;;)
        {
            auto const next = reads.take(1);
            if (next.empty())
                return;
            auto& job = *next.front();
            try
            {
                session.execute("begin");
                job.run(session.connection());
                if (!session.idle())
                    session.execute("rollback");
            }
            catch (std::exception const& e)
            {
                job.lost(e.what());
                continue;
            }
            job.done();
        }
    }

    void wait_for(detail::job_queue& queue, work const& f)
    {
        for (auto const& t : threads)
            if (t.get_id() == std::this_thread::get_id())
                throw misuse(misuse::code::wrong_thread,
                             "run and read must not be called on the database's own threads: use the session there");
        auto job = std::make_unique<waited_for>(f);
        auto end = job->future();
        if (auto refused = queue.add(std::move(job)))
            refused->lost(closing);
        end.get();
    }

    database_options                                     options;
    std::filesystem::path                                file;
    std::string                                          name;
    std::unique_ptr<detail::sqlite_session>              writer;
    std::vector<std::unique_ptr<detail::sqlite_session>> readers;
    detail::job_queue                                    writes;
    detail::job_queue                                    reads;
    std::vector<std::thread>                             threads;
};

database::database(std::string_view url, database_options options) : impl_(std::make_unique<impl>(url, std::move(options))) { }
database::~database() = default;

std::string const& database::describe() const noexcept { return impl_->name; }

weft::barrier_options const& database::barrier() const noexcept { return impl_->options.barrier; }

bool database::holds(std::string const& nonce)
{
    if (impl_->options.foreign_keys)
        return false;  // a setting of the connection, and the store's own has another
    return read([&](soci::session& sql) {
        int tables = 0;
        sql << "select count(*) from sqlite_master where type = 'table' and name = 'kv'", soci::into(tables);
        int rows = 0;
        if (tables > 0)
            sql << "select count(*) from kv where cat = 'nonce' and k = :k", soci::use(nonce), soci::into(rows);
        return rows > 0;
    });
}

void database::submit(std::unique_ptr<detail::sql_job> job)
{
    if (auto refused = impl_->writes.add(std::move(job)))
        refused->lost(closing);
}

void database::on_writer(work const& f) { impl_->wait_for(impl_->writes, f); }

void database::on_reader(work const& f) { impl_->wait_for(impl_->reads, f); }

}  // namespace v0
}  // namespace weft
