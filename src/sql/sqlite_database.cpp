// A participant's SQLite database: one thread that writes, and some that read.
#include "src/sql/backend.hpp"
#include "src/sql/group.hpp"
#include "src/sql/job_queue.hpp"

#include <weft/detail/option.hpp>
#include <weft/errors.hpp>

#include <algorithm>
#include <optional>
#include <span>
#include <thread>

namespace weft {
inline namespace v0 {

namespace {

std::filesystem::path sqlite_file(detail::database_url const& url)
{
    if (url.scheme != "sqlite")
        throw misuse(misuse::code::wrong_call, "weft::database knows sqlite://, postgres:// and mysql://, not " + url.scheme + "://");
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
    options.busy_timeout = detail::option_time("database_options::busy_timeout", options.busy_timeout);
    detail::check_option("database_options::group_limit", options.group_limit, 1);
    detail::check_option("database_options::readers", options.readers, 1, 1'000);
}

class sqlite_database final : public database::backend
{
public:
    sqlite_database(std::string_view text, database_options o)
    {
        options = std::move(o);
        auto const url = detail::parse_database_url(text);
        file = sqlite_file(url);
        apply_options(url, options);
        name = "sqlite " + file.string();

        // Opened here, where errors can be thrown; each is then used by its own thread only.
        writer = writing_session();
        if (options.barrier.table.find('.') == std::string::npos)
            options.barrier.table = "main." + options.barrier.table;  // and not a temporary one
        for (std::size_t i = 0; i < options.readers; ++i)
            readers.push_back(reading_session());

        try
        {
            threads.emplace_back([this] { work(); });
            for (auto& r : readers)
                threads.emplace_back([this, &session = r] { work(session); });
        }
        catch (...)
        {
            close();
            throw;
        }
    }

    std::unique_ptr<detail::xa_resource> make_xa_resource() override
    {
        throw misuse(misuse::code::wrong_call, "SQLite has no prepared transactions, which wf.xa needs: " + name);
    }

    ~sqlite_database() override { close(); }

    std::unique_ptr<detail::sql_job> write(std::unique_ptr<detail::sql_job> job) override { return writes.add(std::move(job)); }
    std::unique_ptr<detail::sql_job> read(std::unique_ptr<detail::sql_job> job) override { return reads.add(std::move(job)); }

    void connect() override { }  // the file is open

    bool on_own_thread() const noexcept override
    {
        return std::any_of(threads.begin(), threads.end(), [](auto const& t) { return t.get_id() == std::this_thread::get_id(); });
    }

    bool holds(soci::session& sql, std::string const& nonce) override
    {
        if (options.foreign_keys)
            return false;  // a setting of the connection, and the store's own has another
        int tables = 0;
        sql << "select count(*) from sqlite_master where type = 'table' and name = 'kv'", soci::into(tables);
        int rows = 0;
        if (tables > 0)
            sql << "select count(*) from kv where cat = 'nonce' and k = :k", soci::use(nonce), soci::into(rows);
        return rows > 0;
    }

private:
    void close() noexcept
    {
        writes.close();
        reads.close();
        for (auto& t : threads)
            t.join();
        threads.clear();
    }

    std::unique_ptr<detail::sqlite_session> writing_session()
    {
        detail::wal_warning const warning{options.on_warning, options.warn_above_log_bytes};
        auto                      s = std::make_unique<detail::sqlite_session>(file, options.busy_timeout, warning);
        s->make_durable();
        s->create_barrier_table(options.barrier);
        if (options.foreign_keys)
            s->execute(*options.foreign_keys ? "pragma foreign_keys = on" : "pragma foreign_keys = off");
        return s;
    }

    std::unique_ptr<detail::sqlite_session> reading_session()
    {
        auto s = std::make_unique<detail::sqlite_session>(file, options.busy_timeout);
        s->only_read();
        return s;
    }

    // Another file may have taken the place of the one that is open (a backup that was restored): then it goes on in that. What an operation did
    // in a file that nobody finds again would be lost in silence.
    template <class Open>
    void renew(std::unique_ptr<detail::sqlite_session>& session, Open open)
    {
        session.reset();
        std::error_code ignored;
        if (!std::filesystem::exists(file, ignored))
            throw std::runtime_error(name + ": the file was removed while it was open");
        session = open();
    }
    static bool is_lost(std::unique_ptr<detail::sqlite_session> const& session) { return !session || session->has_moved(); }

    void work() noexcept
    {
        std::optional<detail::group_committer> committer;
        unsigned                               without_pause = 0;
        for (;;)
        {
            auto const group = writes.take(options.group_limit);
            if (group.empty())
                return;
            std::span<std::unique_ptr<detail::sql_job> const> left(group);
            std::size_t                                       alone = 0;  // so many are done each by itself
            while (!left.empty())
            {
                try
                {
                    if (is_lost(writer))
                    {
                        committer.reset();
                        renew(writer, [&] { return writing_session(); });
                    }
                    if (!committer)
                        committer.emplace(*writer);
                }
                catch (std::exception const& e)
                {
                    for (auto const& job : left)
                        job->lost(e.what());
                    break;
                }
                auto const ended = committer->apply(left.first(alone > 0 ? 1 : left.size()));
                alone = ended == 0 ? left.size() : alone - std::min(alone, ended);
                left = left.subspan(ended);
                if (writer->is_changed())
                {
                    // What an operation has set or made there is for nobody else.
                    committer.reset();
                    writer.reset();
                }
            }

            // Between commit and begin there is too little time for a writer of another process, and it would starve.
            without_pause = writes.empty() ? 0 : without_pause + 1;
            if (without_pause % 32 == 31)
                sqlite_api::sqlite3_sleep(2);
        }
    }

    void work(std::unique_ptr<detail::sqlite_session>& session) noexcept
    {
        for (;;)
        {
            auto const next = reads.take(1);
            if (next.empty())
                return;
            auto& job = *next.front();
            try
            {
                if (is_lost(session))
                    renew(session, [&] { return reading_session(); });
                session->execute("begin");
                session->lend();
                job.run(session->connection());
                session->take_back();
                if (!session->idle())
                    session->execute("rollback");
                if (session->is_changed())
                    session.reset();
            }
            catch (std::exception const& e)
            {
                job.lost(e.what());
                continue;
            }
            job.done();
        }
    }

    std::filesystem::path                                file;
    std::unique_ptr<detail::sqlite_session>              writer;
    std::vector<std::unique_ptr<detail::sqlite_session>> readers;
    detail::job_queue                                    writes;
    detail::job_queue                                    reads;
    std::vector<std::thread>                             threads;
};

}  // namespace

std::unique_ptr<database::backend> open_sqlite_database(std::string_view url, database_options options)
{
    return std::make_unique<sqlite_database>(url, std::move(options));
}

}  // namespace v0
}  // namespace weft
