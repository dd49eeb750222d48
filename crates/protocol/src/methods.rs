//! The one table of methods. How to add one stands in CONTRIBUTING.md.

use serde_json::value::RawValue;

use crate::define::{
    ClientNotificationMethod, ClientRequestMethod, MethodVisitor, Order, ServerNotificationMethod, ServerRequestMethod,
    define_methods,
};
use crate::error::ErrorObject;
use crate::experimental::Gate;
use crate::jsonrpc::RequestId;
use crate::v1::{GetAuthStatusParams, GetAuthStatusResponse, InitializeParams, InitializeResponse};
use crate::v2::*;

/// Approvals of some kinds only.
const GRANULAR: Gate = Gate::Variant { field: "approvalPolicy", variant: "granular", type_name: "askForApproval" };

define_methods! {
    client_requests {
        /// Opens the connection: must come first, and once.
        Initialize = "initialize" (InitializeParams) -> InitializeResponse, order: Immediate;

        /// Who is logged in. Answered from memory.
        AccountRead = "account/read" (GetAccountParams) -> GetAccountResponse, order: Concurrent;
        /// Log in. The outcome is told by `account/login/completed`, then `account/updated`.
        AccountLoginStart = "account/login/start" (LoginAccountParams) -> LoginAccountResponse,
            order: Account, gates: [Gate::Type("chatgptAuthTokens")];
        /// End a login that waits for a person.
        AccountLoginCancel = "account/login/cancel" (CancelLoginAccountParams) -> CancelLoginAccountResponse, order: Account;
        /// Finish a browser login on a machine without the browser, by the address at which that ended.
        ValetLoginRedirect = "valet/login/redirect" (LoginRedirectParams) -> LoginRedirectResponse,
            order: Concurrent, gates: [Gate::Method];
        /// Lend a token beside the login, for threads that are to run under it.
        ValetAccountLend = "valet/account/lend" (AccountLendParams) -> AccountLendResponse,
            order: Account, gates: [Gate::Method];
        /// What is lent beside the login. Answered from memory.
        ValetAccountList = "valet/account/list" (none) -> AccountListResponse, order: Concurrent, gates: [Gate::Method];
        /// Forget what was lent. Turns that use it fail.
        ValetAccountForget = "valet/account/forget" (AccountForgetParams) -> AccountForgetResponse,
            order: Account, gates: [Gate::Method];
        /// Forget the login. Turns that use it fail.
        AccountLogout = "account/logout" (none) -> LogoutAccountResponse, order: Account;
        /// How much of the subscription is used up. Asks the backend.
        AccountRateLimitsRead = "account/rateLimits/read" (optional GetAccountRateLimitsParams) -> GetAccountRateLimitsResponse,
            order: Concurrent, gates: [Gate::Field("valet")];
        /// How many tokens the account has used, or what a thread has cost. Asks the backend.
        AccountUsageRead = "account/usage/read" (optional GetAccountTokenUsageParams) -> GetAccountTokenUsageResponse,
            order: Concurrent;
        /// The older form of `account/read`.
        GetAuthStatus = "getAuthStatus" (GetAuthStatusParams) -> GetAuthStatusResponse, order: Concurrent;

        /// Which models there are.
        ModelList = "model/list" (ModelListParams) -> ModelListResponse, order: Concurrent;
        /// The configuration in force.
        ConfigRead = "config/read" (ConfigReadParams) -> ConfigReadResponse, order: Concurrent;
        /// What an administrator demands of the configuration.
        ConfigRequirementsRead = "configRequirements/read" (none) -> ConfigRequirementsReadResponse, order: Concurrent;

        /// Start a conversation and subscribe to it.
        ThreadStart = "thread/start" (ThreadStartParams) -> ThreadStartResponse, order: Concurrent, new_work: true, gates: [
            Gate::Field("runtimeWorkspaceRoots"),
            Gate::Field("permissions"),
            Gate::Field("historyMode"),
            Gate::Field("projectId"),
            Gate::Field("daybreakEnabled"),
            Gate::Field("environments"),
            Gate::Field("dynamicTools"),
            Gate::Field("selectedCapabilityRoots"),
            Gate::Field("multiAgentMode"),
            Gate::Field("valet"),
            GRANULAR,
        ];
        /// Take a stored thread up again, or join a loaded one, and subscribe to it. Work of its own begins only with
        /// a turn: a host that is about to end still lets clients back to the turns that run.
        ThreadResume = "thread/resume" (ThreadResumeParams) -> ThreadResumeResponse, order: Thread(thread_id), gates: [
            Gate::Field("history"),
            Gate::Field("path"),
            Gate::Field("runtimeWorkspaceRoots"),
            Gate::Field("permissions"),
            Gate::Field("initialTurnsPage"),
            Gate::Field("valet"),
            GRANULAR,
        ];
        /// Start a thread with the turns of another one, and subscribe to it.
        ThreadFork = "thread/fork" (ThreadForkParams) -> ThreadForkResponse, order: Thread(thread_id), new_work: true, gates: [
            Gate::Field("beforeTurnId"),
            Gate::Field("path"),
            Gate::Field("runtimeWorkspaceRoots"),
            Gate::Field("permissions"),
            Gate::Flag("attachToSource"),
            Gate::Flag("deferGoalContinuation"),
            Gate::Flag("experimentalPredictionMode"),
            Gate::Flag("experimentalDisablePredictionMcp"),
            Gate::Field("valet"),
            GRANULAR,
        ];
        /// One thread.
        ThreadRead = "thread/read" (ThreadReadParams) -> ThreadReadResponse, order: Thread(thread_id);
        /// Threads that hold at least one turn, a page at a time.
        ThreadList = "thread/list" (ThreadListParams) -> ThreadListResponse, order: Concurrent, gates: [
            Gate::Field("parentThreadId"),
            Gate::Field("ancestorThreadId"),
            Gate::Nullable("projectId"),
            Gate::Field("attachedToThreadId"),
            Gate::Flag("includeAttachedThreads"),
        ];
        /// Threads by what was said in them.
        ThreadSearch = "thread/search" (ThreadSearchParams) -> ThreadSearchResponse, order: Concurrent, gates: [Gate::Method];
        /// The threads in memory.
        ThreadLoadedList = "thread/loaded/list" (ThreadLoadedListParams) -> ThreadLoadedListResponse, order: Concurrent;
        /// Get no more events of a thread.
        ThreadUnsubscribe = "thread/unsubscribe" (ThreadUnsubscribeParams) -> ThreadUnsubscribeResponse, order: Thread(thread_id);

        /// The turns of a thread, a page at a time.
        ThreadTurnsList = "thread/turns/list" (ThreadTurnsListParams) -> ThreadTurnsListResponse, order: Thread(thread_id);
        /// The items of a thread, a page at a time.
        ThreadItemsList = "thread/items/list" (ThreadItemsListParams) -> ThreadItemsListResponse, order: Thread(thread_id);
        /// Put a thread away.
        ThreadArchive = "thread/archive" (ThreadArchiveParams) -> ThreadArchiveResponse, order: Thread(thread_id);
        /// Bring a thread back that was put away.
        ThreadUnarchive = "thread/unarchive" (ThreadUnarchiveParams) -> ThreadUnarchiveResponse, order: Thread(thread_id);
        /// Remove a thread for good.
        ThreadDelete = "thread/delete" (ThreadDeleteParams) -> ThreadDeleteResponse, order: Thread(thread_id);
        /// Name a thread.
        ThreadNameSet = "thread/name/set" (ThreadSetNameParams) -> ThreadSetNameResponse, order: Thread(thread_id);
        /// Change what is noted about a thread.
        ThreadMetadataUpdate = "thread/metadata/update" (ThreadMetadataUpdateParams) -> ThreadMetadataUpdateResponse,
            order: Thread(thread_id), gates: [Gate::Field("projectId"), Gate::Field("daybreakEnabled")];
        /// Change what is in force for the turns of a thread.
        ThreadSettingsUpdate = "thread/settings/update" (ThreadSettingsUpdateParams) -> ThreadSettingsUpdateResponse,
            order: Thread(thread_id), gates: [Gate::Method];
        /// Have the next turns of a thread run under another account.
        ValetThreadAccountSet = "valet/thread/account/set" (ThreadAccountSetParams) -> ThreadAccountSetResponse,
            order: Thread(thread_id), gates: [Gate::Method];
        /// Note that a thread was read, or was not. Refused when the caller has not seen the newest of it.
        ThreadReadStateUpdate = "thread/readState/update" (ThreadReadStateUpdateParams) -> ThreadReadStateUpdateResponse,
            order: Thread(thread_id), gates: [Gate::Method];
        /// Forget a turn and all that came after it.
        ThreadRevert = "thread/revert" (ThreadRevertParams) -> ThreadRevertResponse, order: Thread(thread_id);
        /// Forget the newest turns. The older form of `thread/revert`.
        ThreadRollback = "thread/rollback" (ThreadRollbackParams) -> ThreadRollbackResponse, order: Thread(thread_id);
        /// What a thread is to reach.
        ThreadGoalGet = "thread/goal/get" (ThreadGoalGetParams) -> ThreadGoalGetResponse, order: Thread(thread_id);

        /// Run a command line of the person's own, without a sandbox, in a turn of its own.
        ThreadShellCommand = "thread/shellCommand" (ThreadShellCommandParams) -> ThreadShellCommandResponse,
            order: Thread(thread_id), new_work: true;
        /// Have the model sum up the conversation so far, and go on from the summary.
        ThreadCompactStart = "thread/compact/start" (ThreadCompactStartParams) -> ThreadCompactStartResponse,
            order: Thread(thread_id), new_work: true;
        /// Put Responses API items behind the conversation so far.
        ThreadInjectItems = "thread/inject_items" (ThreadInjectItemsParams) -> ThreadInjectItemsResponse,
            order: Thread(thread_id);

        /// Say something, and let the model work on it.
        TurnStart = "turn/start" (TurnStartParams) -> TurnStartResponse, order: Thread(thread_id), new_work: true, gates: [
            Gate::Field("collaborationMode"),
            Gate::Field("environments"),
            Gate::Field("runtimeWorkspaceRoots"),
            Gate::Field("permissions"),
            Gate::Field("additionalContext"),
            Gate::Field("responsesapiClientMetadata"),
            Gate::Field("responsesapiClientMetadataPatch"),
            Gate::Field("multiAgentMode"),
            Gate::Field("cyberAccessProgram"),
            GRANULAR,
        ];
        /// Add to the turn that runs.
        TurnSteer = "turn/steer" (TurnSteerParams) -> TurnSteerResponse, order: Thread(thread_id), new_work: true, gates: [
            Gate::Field("additionalContext"),
            Gate::Field("responsesapiClientMetadata"),
            Gate::Field("responsesapiClientMetadataPatch"),
        ];
        /// Stop a turn.
        TurnInterrupt = "turn/interrupt" (TurnInterruptParams) -> TurnInterruptResponse, order: Thread(thread_id);

        /// A file's content.
        FsReadFile = "fs/readFile" (FsReadFileParams) -> FsReadFileResponse, order: Concurrent;
        /// Make a file, or replace its content.
        FsWriteFile = "fs/writeFile" (FsWriteFileParams) -> FsWriteFileResponse, order: Concurrent;
        /// Make a directory.
        FsCreateDirectory = "fs/createDirectory" (FsCreateDirectoryParams) -> FsCreateDirectoryResponse, order: Concurrent;
        /// What a path is, and when it was changed.
        FsGetMetadata = "fs/getMetadata" (FsGetMetadataParams) -> FsGetMetadataResponse, order: Concurrent;
        /// The direct children of a directory.
        FsReadDirectory = "fs/readDirectory" (FsReadDirectoryParams) -> FsReadDirectoryResponse, order: Concurrent;
        /// Remove a file or a directory.
        FsRemove = "fs/remove" (FsRemoveParams) -> FsRemoveResponse, order: Concurrent;
        /// Copy a file or a directory.
        FsCopy = "fs/copy" (FsCopyParams) -> FsCopyResponse, order: Concurrent;
        /// Be told what changes.
        FsWatch = "fs/watch" (FsWatchParams) -> FsWatchResponse, order: Watch(watch_id);
        /// Be told no more.
        FsUnwatch = "fs/unwatch" (FsUnwatchParams) -> FsUnwatchResponse, order: Watch(watch_id);

        /// Run a program by itself, and learn how it ended. Its place in the order is free once it runs.
        CommandExec = "command/exec" (CommandExecParams) -> CommandExecResponse,
            order: Process(process_id), gates: [Gate::Field("permissionProfile")];
        /// Give a program input, or end its input.
        CommandExecWrite = "command/exec/write" (CommandExecWriteParams) -> CommandExecWriteResponse, order: Process(process_id);
        /// Change the size of a program's terminal.
        CommandExecResize = "command/exec/resize" (CommandExecResizeParams) -> CommandExecResizeResponse, order: Process(process_id);
        /// End a program.
        CommandExecTerminate = "command/exec/terminate"
            (CommandExecTerminateParams) -> CommandExecTerminateResponse, order: Process(process_id);

        /// Files by a few letters of their paths.
        FuzzyFileSearch = "fuzzyFileSearch" (FuzzyFileSearchParams) -> FuzzyFileSearchResponse, order: Concurrent;
        /// Begin a search that is typed. Immediate, as are the next two: each letter must come in its order.
        FuzzyFileSearchSessionStart = "fuzzyFileSearch/sessionStart"
            (FuzzyFileSearchSessionStartParams) -> FuzzyFileSearchSessionStartResponse, order: Immediate, gates: [Gate::Method];
        /// Search for something else.
        FuzzyFileSearchSessionUpdate = "fuzzyFileSearch/sessionUpdate"
            (FuzzyFileSearchSessionUpdateParams) -> FuzzyFileSearchSessionUpdateResponse, order: Immediate, gates: [Gate::Method];
        /// End a search that is typed.
        FuzzyFileSearchSessionStop = "fuzzyFileSearch/sessionStop"
            (FuzzyFileSearchSessionStopParams) -> FuzzyFileSearchSessionStopResponse, order: Immediate, gates: [Gate::Method];
        /// What the working tree holds and its remote does not.
        GitDiffToRemote = "gitDiffToRemote" (GitDiffToRemoteParams) -> GitDiffToRemoteResponse, order: Concurrent;

        /// The skills of some directories.
        SkillsList = "skills/list" (SkillsListParams) -> SkillsListResponse, order: Concurrent;
        /// The hooks of some directories or of a thread.
        HooksList = "hooks/list" (HooksListParams) -> HooksListResponse, order: Concurrent;
        /// The plugins that are installed.
        PluginInstalled = "plugin/installed" (PluginInstalledParams) -> PluginInstalledResponse, order: Concurrent;
        /// The apps there are.
        AppsList = "app/list" (AppsListParams) -> AppsListResponse, order: Concurrent;
        /// The MCP servers there are, and how they do.
        McpServerStatusList = "mcpServerStatus/list" (ListMcpServerStatusParams) -> ListMcpServerStatusResponse, order: Concurrent;
        /// Read the configuration of the MCP servers again.
        ConfigMcpServerReload = "config/mcpServer/reload" (none) -> McpServerRefreshResponse, order: Concurrent;
        /// The flags there are.
        ExperimentalFeatureList = "experimentalFeature/list" (ExperimentalFeatureListParams) -> ExperimentalFeatureListResponse, order: Concurrent;
        /// The modes of collaboration to choose from.
        CollaborationModeList = "collaborationMode/list"
            (CollaborationModeListParams) -> CollaborationModeListResponse, order: Concurrent, gates: [Gate::Method];
        /// The profiles of permissions to choose from.
        PermissionProfileList = "permissionProfile/list"
            (PermissionProfileListParams) -> PermissionProfileListResponse, order: Concurrent;
        /// The sections of the list of threads.
        ThreadSectionList = "threadSection/list" (ThreadSectionListParams) -> ThreadSectionListResponse, order: Concurrent;
        /// Whether a login at Bedrock needs more than it has.
        AccountBedrockCheckGovCloudRequirements = "account/bedrock/checkGovCloudRequirements"
            (BedrockCheckGovCloudRequirementsParams) -> BedrockCheckGovCloudRequirementsResponse,
            order: Concurrent, gates: [Gate::Method];
    }

    server_requests {
        /// The backend refused the lent token: the connection that lent it owes a new one, or an error.
        ChatgptAuthTokensRefresh = "account/chatgptAuthTokens/refresh" (ChatgptAuthTokensRefreshParams) -> ChatgptAuthTokensRefreshResponse;
        /// May this command run? An answer that cannot be read declines.
        CommandExecutionRequestApproval = "item/commandExecution/requestApproval"
            (CommandExecutionRequestApprovalParams) -> CommandExecutionRequestApprovalResponse;
        /// May this patch be applied? An answer that cannot be read declines.
        FileChangeRequestApproval = "item/fileChange/requestApproval"
            (FileChangeRequestApprovalParams) -> FileChangeRequestApprovalResponse;
        /// The model asks for more than the sandbox allows. An answer that cannot be read grants nothing.
        PermissionsRequestApproval = "item/permissions/requestApproval"
            (PermissionsRequestApprovalParams) -> PermissionsRequestApprovalResponse;
        /// The model calls a tool that the client declared.
        DynamicToolCall = "item/tool/call" (DynamicToolCallParams) -> DynamicToolCallResponse;
        /// The model asks a person.
        ToolRequestUserInput = "item/tool/requestUserInput" (ToolRequestUserInputParams) -> ToolRequestUserInputResponse;
    }

    server_notifications {
        /// Something went wrong in a turn.
        Error = "error" (ErrorNotification);
        /// Something in the configuration was not used as written.
        ConfigWarning = "configWarning" (ConfigWarningNotification);
        /// The caller used something that is about to go away.
        DeprecationNotice = "deprecationNotice" (DeprecationNoticeNotification);
        /// A person should know this.
        Warning = "warning" (WarningNotification);
        /// Once after `initialize`.
        RemoteControlStatusChanged = "remoteControl/status/changed" (RemoteControlStatusChangedNotification);
        /// A login came to its end.
        AccountLoginCompleted = "account/login/completed" (AccountLoginCompletedNotification);
        /// Who is logged in has changed.
        AccountUpdated = "account/updated" (AccountUpdatedNotification);
        /// What a response said about the account's limits.
        AccountRateLimitsUpdated = "account/rateLimits/updated" (AccountRateLimitsUpdatedNotification);
        /// A thread was started.
        ThreadStarted = "thread/started" (ThreadStartedNotification);
        /// A thread changed its state.
        ThreadStatusChanged = "thread/status/changed" (ThreadStatusChangedNotification);
        /// A thread was put away.
        ThreadArchived = "thread/archived" (ThreadArchivedNotification);
        /// A thread was brought back.
        ThreadUnarchived = "thread/unarchived" (ThreadUnarchivedNotification);
        /// A thread is gone for good.
        ThreadDeleted = "thread/deleted" (ThreadDeletedNotification);
        /// A thread is no longer in memory.
        ThreadClosed = "thread/closed" (ThreadClosedNotification);
        /// A thread was named.
        ThreadNameUpdated = "thread/name/updated" (ThreadNameUpdatedNotification);
        /// Turns of a thread were taken back.
        ThreadReverted = "thread/reverted" (ThreadRevertedNotification);
        /// A thread has no goal. Also told after `thread/resume`.
        ThreadGoalCleared = "thread/goal/cleared" (ThreadGoalClearedNotification);
        /// What is in force for the turns of a thread has changed.
        ThreadSettingsUpdated = "thread/settings/updated" (ThreadSettingsUpdatedNotification);
        /// What of a thread is unread has changed.
        ThreadReadStateChanged = "thread/readState/changed" (ThreadReadStateChangedNotification);
        /// What a response cost.
        ThreadTokenUsageUpdated = "thread/tokenUsage/updated" (ThreadTokenUsageUpdatedNotification);
        /// Work on a turn began.
        TurnStarted = "turn/started" (TurnStartedNotification);
        /// A turn ended.
        TurnCompleted = "turn/completed" (TurnCompletedNotification);
        /// A turn changed files, once more.
        TurnDiffUpdated = "turn/diff/updated" (TurnDiffUpdatedNotification);
        /// The model changed its list of steps.
        TurnPlanUpdated = "turn/plan/updated" (TurnPlanUpdatedNotification);
        /// Another model answers than was asked for.
        ModelRerouted = "model/rerouted" (ModelReroutedNotification);
        /// An item began.
        ItemStarted = "item/started" (ItemStartedNotification);
        /// An item is whole.
        ItemCompleted = "item/completed" (ItemCompletedNotification);
        /// More of the model's message.
        AgentMessageDelta = "item/agentMessage/delta" (AgentMessageDeltaNotification);
        /// The next part of the reasoning summary begins.
        ReasoningSummaryPartAdded = "item/reasoning/summaryPartAdded" (ReasoningSummaryPartAddedNotification);
        /// More of the reasoning summary.
        ReasoningSummaryTextDelta = "item/reasoning/summaryTextDelta" (ReasoningSummaryTextDeltaNotification);
        /// More of the reasoning itself.
        ReasoningTextDelta = "item/reasoning/textDelta" (ReasoningTextDeltaNotification);
        /// More of a proposed plan.
        PlanDelta = "item/plan/delta" (PlanDeltaNotification);
        /// More output of a command.
        CommandExecutionOutputDelta = "item/commandExecution/outputDelta" (CommandExecutionOutputDeltaNotification);
        /// The model wrote to a running command.
        TerminalInteraction = "item/commandExecution/terminalInteraction" (TerminalInteractionNotification);
        /// More of a patch is known.
        FileChangePatchUpdated = "item/fileChange/patchUpdated" (FileChangePatchUpdatedNotification);
        /// More output of a program that this connection runs.
        CommandExecOutputDelta = "command/exec/outputDelta" (CommandExecOutputDeltaNotification);
        /// Something that the connection watches has changed.
        FsChanged = "fs/changed" (FsChangedNotification);
        /// What a search that is typed has found.
        FuzzyFileSearchSessionUpdated = "fuzzyFileSearch/sessionUpdated" (FuzzyFileSearchSessionUpdatedNotification);
        /// A search that is typed has seen all files.
        FuzzyFileSearchSessionCompleted = "fuzzyFileSearch/sessionCompleted" (FuzzyFileSearchSessionCompletedNotification);
        /// A request of the server needs no answer any more.
        ServerRequestResolved = "serverRequest/resolved" (ServerRequestResolvedNotification);
    }

    client_notifications {
        /// The client is ready. Accepted and without effect: requests are served after `initialize` anyway.
        Initialized = "initialized";
    }
}
