# 中文消息，键与 en.ftl 相同。

## 通用
success = 成功
internal = 服务器内部出错，请凭请求编号在日志中查看原因。
not-signed-in = 请先登录。
permission-missing = 需要权限 { $permission }，请联系管理员。
request-from-another-site = 请求来自其他网站的页面，已被拒绝。
route-unknown = { $path } 不存在。
request-malformed = 无法理解该请求。
nothing-matches = 没有符合条件的记录。

## 请求
body-unreadable = 请求内容传输中断。
body-too-large = 请求内容超过 { $limit } MiB。
body-not-json = 请求内容不是 JSON：{ $cause }
body-not-an-object = 请求内容必须是 JSON 对象。
action-unknown = 没有操作“{ $action }”。可用的操作：{ $known }。
field-missing = 缺少字段 { $field }。
field-wrong = 字段 { $field } 不正确：{ $cause }
field-not-a-number = 字段 { $field } 必须是整数。
uuid-malformed = “{ $value }”不是 uuid。
time-malformed = 字段 { $field } 必须是 2026-04-19 15:48:15 形式的时间，而不是“{ $value }”。
name-empty = 字段 { $field } 不能为空。
name-too-long = 字段 { $field } 超过 { $limit } 个字符。
name-character = 字段 { $field } 不能包含 { $found }。
name-start = 字段 { $field } 不能以“.”或“-”开头。
text-too-long = 字段 { $field } 超过 { $limit } 个字符。

## 列表
searchtype-unknown = searchtype “{ $value }”不是 all、contain、single 之一。
search-needs-a-column = 此 searchtype 至少需要以下字段之一：{ $columns }。
sort-column-unknown = 列表不能按“{ $column }”排序。

## 操作
operation-goes-on = 已接受，正在后台执行。
operation-in-the-way = “{ $name }”正在执行其他操作（{ $operation }），请等待完成后重试。
operation-unknown = 操作 { $uuid } 不存在。
operation-over = 操作已经结束（{ $state }）。
batch-empty = 请至少选择一项。
batch-counts = 成功 { $succeeded } 个，失败 { $failed } 个
batch-failed = { $failed } 个全部失败。第一个原因：{ $reason }
log-operation-cancel = 取消对“{ $name }”的操作

## 数据库与配置
database-disk-full = 数据库所在磁盘已满，请清理空间后重试。
database-busy = 数据库被其他进程锁定，请稍后重试。
database-newer = 数据库由更新版本的 Carrel 写入，请安装该版本。
settings-unreadable = 无法读取配置文件 { $path }：{ $cause }
settings-wrong = 配置文件 { $path } 有误：{ $cause }
settings-tls-half = tls_certificate 与 tls_key 必须同时设置。
settings-path-wrong = { $path } 不是可用的路径。
settings-log-wrong = 无法理解日志过滤条件“{ $value }”，例如 info 或 carrel=debug。
listen-failed = 无法监听 { $address }：{ $cause }。端口可能被其他程序占用，请用 --listen 另选。


## 节点：程序、存储与磁盘

cancelled = 已按要求停止。
program-missing = 节点上没有安装程序 { $program }，请安装后重试。
program-failed = 节点上的程序 { $program } 执行失败：{ $message }
program-too-slow = 节点上的程序 { $program } 在 { $seconds } 秒内没有结束，请检查节点的负载和磁盘。
storage-unknown = { $path } 不是该节点的存储。
storage-missing = 存储 { $path } 不存在或不可写，请在节点上挂载它或修正其权限。
storage-full = 存储 { $path } 空间不足：需要 { $needed }，剩余 { $free }。请删除不用的内容或选择其他存储。
storage-ran-full = { $path } 所在的存储已满，请删除不用的内容后重试。
storage-read-only = { $path } 所在的存储是只读的，请检查节点的文件系统。
layer-missing = 节点上缺少磁盘层 { $uuid }（{ $path }），请将其镜像或模板重新分发到该节点。
disk-missing = 节点上缺少磁盘 { $path }。
disk-not-grown = 磁盘 { $path } 无法扩大，请先关闭其桌面。
image-damaged = 磁盘镜像 { $path } 已损坏：{ $message }
published-damaged = 文件 { $path } 已损坏，请重新保存模板。

## 节点：连接

node-link-lost = 节点没有响应：与其代理的连接已断开。请检查节点是否运行、网络是否正常；Carrel 会自动重新连接。
node-link-noise = 节点上应答的不是 Carrel 的代理。请检查其 root 用户登录时没有输出文字。
node-version-differs = 节点代理的协议版本是 { $theirs }，本控制器是 { $ours }。请在两者上安装相同版本的 Carrel。
node-too-slow = 节点没有及时响应，请检查其负载以及 libvirt 服务是否停滞。
node-frame-too-large = 请求或其应答超过单个消息的大小（{ $size } 字节，最多 { $limit }），请分批进行。
node-busy = 节点正在处理的请求过多，请稍后再试。
socket-taken = 另一个代理正在监听 { $path }，请先停止它。
socket-is-a-file = { $path } 是普通文件而不是套接字，请为代理套接字选择其他路径。
agent-not-listening = 没有代理监听 { $path }，请启动 carrel-agent 服务。

## 节点：上传与磁盘层

upload-missing = 上传的文件已不在节点上（{ $path }），请重新上传。
upload-truncated = 只收到 { $announced } 中的 { $received }，请重新上传。
upload-too-long = 收到的数据超过声明的 { $announced }，请重新上传。
upload-damaged = 上传的磁盘镜像已损坏或不完整：{ $message }
not-a-disk-image = 该文件不是磁盘镜像。支持 qcow2、VMDK（单文件）、VDI、VHDX、VHD、ISO，以及带分区表或引导扇区的 raw 镜像。
image-has-backing-file = 该磁盘镜像依赖另一个文件（{ $file }），不能单独使用。请用 qemu-img convert -O qcow2 旧文件 新文件 转换。
image-has-data-file = 该磁盘镜像的数据保存在另一个文件中，不能单独使用。请用 qemu-img convert -O qcow2 旧文件 新文件 转换。
image-encrypted = 该磁盘镜像已加密，请上传未加密的镜像。
image-size-absurd = 磁盘大小 { $size } 超出 Carrel 支持的范围（最大 16 TiB）。
layer-in-use = 磁盘层 { $uuid } 仍在使用中（{ $user }）。
file-name-unknown = { $path } 不是 Carrel 存储中的文件。
file-in-use = { $path } 是现有桌面或模板的磁盘。

## 模板

template-unknown = 模板 { $uuid } 不存在。
template-classify-unknown = 字段 { $field } 必须是 1（教学）或 2（个人），而不是 { $value }。
template-version-missing = 该节点上没有模板“{ $name }”的版本 { $version }，请重新分发该模板。
## 教学分组、桌面组、桌面
education-group-unknown = 教学分组 { $uuid } 不存在。
education-group-renamed = 教学分组现在的名称是“{ $name }”，而不是“{ $given }”，请刷新列表。
education-group-name-taken = 教学分组“{ $name }”已存在，请使用其他名称。
education-group-in-use = 教学分组“{ $name }”下有 { $count } 个桌面组：{ $users }，请先删除。
group-type-wrong = group_type 必须为 1（教学分组）。
terminal-range-backwards = 终端结束 IP { $end } 小于开始 IP { $start }。
terminal-range-too-large = 终端 IP 范围超过 { $limit } 个地址。
desktop-network-unknown = 数据网络 { $uuid } 不存在。
desktop-subnet-unknown = 子网 { $uuid } 不存在。
desktop-subnet-elsewhere = 子网“{ $name }”不属于该数据网络。
log-education-group-create = 添加教学分组“{ $name }”
log-education-group-update = 修改教学分组“{ $name }”
log-education-group-delete = 删除教学分组“{ $name }”
desktop-group-unknown = 桌面组 { $uuid } 不存在。
desktop-group-renamed = 桌面组现在的名称是“{ $name }”，而不是“{ $given }”，请刷新列表。
desktop-group-name-taken = 桌面组“{ $name }”已存在，请使用其他名称。
desktop-group-creating = 桌面组“{ $name }”正在创建，请等待完成。
desktop-group-deleting = 桌面组“{ $name }”正在删除。
desktop-group-busy = 桌面组“{ $name }”正在创建或删除，请等待完成后重试。
desktop-group-nodes-silent = “{ $name }”有 { $count } 个桌面所在的节点没有响应，状态未知，请查看节点列表。
desktop-template-updating = 模板“{ $name }”正在更新，请等待完成。
desktop-template-creating = 模板“{ $name }”正在创建，请等待完成。
desktop-template-deleting = 模板“{ $name }”正在删除。
desktop-template-failed = 模板“{ $name }”因操作失败而异常，原因请查看模板列表。
template-not-for-education = 模板“{ $name }”是个人模板，请选择教学模板。
template-of-another-pool = 模板“{ $name }”不属于资源池“{ $pool }”。
desktop-unknown = 桌面 { $uuid } 不存在。
desktop-renamed = 当前名称是“{ $name }”，而不是“{ $given }”，请刷新列表。
desktop-of-another-group = 桌面“{ $name }”属于其他桌面组。
desktop-type-wrong = desktop_type 必须为 1（教学桌面）或 2（个人桌面）。
desktop-creating = 桌面“{ $name }”正在创建，请等待完成。
desktop-deleting = 桌面“{ $name }”正在删除。
desktop-not-running = 桌面“{ $name }”未开机，请先开机。
desktop-never-started = 从未开机。
desktop-stopped = 已由 Carrel 关机。
desktop-shut-down-inside = 已由用户在桌面内关机。
desktop-switched-off = 已被强制断电。
desktop-start-failed = 上次在节点上开机失败，请重新开机；如仍失败，请查看节点日志。
desktop-off = 已关机。
desktop-crashed = 已崩溃：QEMU 进程意外结束，请重新开机。
desktop-panicked = 操作系统已崩溃，请关机后重新开机。
desktop-disk-failed = 磁盘无法写入而停住：存储已满或损坏。请在节点上清理空间后重新开机。
desktop-paused = 已暂停，开机即可继续运行。
desktop-suspended = 已休眠，开机即可唤醒。
number-out-of-range = 字段 { $field } 必须在 { $low } 到 { $high } 之间。
desktop-memory-too-large = 内存 { $wanted } MiB 超过节点“{ $name }”的内存（{ $has } MiB）。
desktop-memory-too-small = 桌面至少需要 { $least } MiB 内存。
desktop-number-too-long = 编号 { $last } 超过 { $digits } 位，请增加位数或减少桌面数量。
create-info-node-unknown = 资源池中没有可运行桌面的节点 { $ip }。现有节点：{ $known }。
create-info-sum = create_info 共 { $sum } 个桌面，与 instance_num { $count } 不一致。
pool-without-nodes = 资源池“{ $name }”中没有可运行桌面的节点。
screen-off = “{ $name }”未开机，没有画面，请先开机。
console-ticket-unknown = 该控制台地址已使用或已超过 30 秒，请重新获取。
console-needs-websocket = 控制台需要使用 WebSocket 打开。
desktop-group-create = 部署桌面组“{ $name }”
desktop-group-restore = 修改桌面组“{ $name }”的还原设置
desktop-groups-delete = 删除桌面组：{ $name }
desktops-add = 向“{ $name }”添加桌面
desktops-delete = 删除桌面：{ $name }
desktops-start = 桌面开机：{ $name }
desktops-stop = 桌面关机：{ $name }
desktops-reboot = 桌面重启：{ $name }
desktops-remake = 重建丢失的桌面：{ $name }
log-desktop-group-create = 添加桌面组“{ $name }”
log-desktop-group-start = 桌面组开机：{ $name }
log-desktop-group-stop = 桌面组关机：{ $name }
log-desktop-group-reboot = 桌面组重启：{ $name }
log-desktop-group-active = 激活桌面组：{ $name }
log-desktop-group-inactive = 取消激活桌面组：{ $name }
log-desktop-group-update = 修改桌面组“{ $name }”
log-desktop-group-delete = 删除桌面组：{ $name }
log-desktop-start = 桌面开机：{ $name }
log-desktop-stop = 桌面关机：{ $name }
log-desktop-reboot = 桌面重启：{ $name }
log-desktop-create = 向“{ $name }”添加桌面
log-desktop-delete = 删除桌面：{ $name }
log-console-ticket = 获取“{ $name }”的控制台
log-console-open = 打开“{ $name }”的控制台

## 节点：环境检查

check-qemu-img = 磁盘由 qemu-img { $version } 创建。
check-qemu-img-repair = 无需处理。
check-qemu-img-missing = 缺少 qemu-img 或其无法运行：不能创建磁盘。
check-qemu-img-missing-repair = 请安装：apt-get install qemu-utils，或 dnf install qemu-img。
check-storage-room = 存储 { $path } 共 { $total }，剩余 { $free }。
check-storage-room-repair = 请删除无人使用的桌面、模板或镜像，或扩大文件系统。存储满时桌面会停止运行。
check-storage-missing = 存储 { $path } 不存在或不可写。
check-storage-missing-repair = 请挂载它或修正其权限，然后重启 Carrel。
check-storage-way = QEMU 无法到达存储 { $path }：文件夹 { $folder } 不允许其用户通过。
check-storage-way-repair = 请允许通过该文件夹：chmod o+x 文件夹
check-clock = 时钟由时间服务校准。
check-clock-repair = 无需处理。
check-clock-free = 没有时间服务校准时钟。
check-clock-free-repair = 请安装并启动：apt-get install chrony，或 dnf install chrony。
check-clock-past = 时钟错误：早于本程序的安装日期。
check-clock-past-repair = 请设置时钟：timedatectl set-ntp true，或 date --set。
check-apparmor = AppArmor 使用 libvirt 的配置限制桌面。
check-apparmor-repair = 无需处理。
check-apparmor-profiles = AppArmor 已启用，但缺少 libvirt 的配置：桌面运行时不受限制。
check-apparmor-profiles-repair = 请重新安装 libvirt 及其配置：apt-get install --reinstall libvirt-daemon-system
check-selinux = SELinux 处于强制模式；存储 { $path } 的类型是 { $type }。
check-selinux-repair = 请将存储的类型设为 virt_image_t：semanage fcontext -a -t virt_image_t "存储(/.*)?"，然后 restorecon -R 存储
## 资源池与节点
pool-unknown = 资源池 { $uuid } 不存在。
pool-name-taken = 资源池“{ $name }”已存在，请使用其他名称。
pool-is-default = 资源池“{ $name }”是默认资源池，不能删除。
pool-not-empty = 资源池“{ $name }”中还有 { $count } 个对象（{ $users }），请先删除或移走。
node-unknown = 节点 { $uuid } 不存在。
node-not-in-pool = 节点“{ $name }”不在该资源池中。
node-not-a-controller = 节点“{ $name }”不是控制节点。
node-name-taken = 节点“{ $name }”已存在，请使用其他名称。
node-unreachable = 节点“{ $name }”没有响应，原因见节点列表。
node-not-yet-connected = 控制器启动后尚未连接到该节点，请稍候。
node-hypervisor-down = 节点上的 libvirt 没有响应：{ $reason } 请启动其 libvirt 服务；Carrel 会自动重新连接。
node-without-storage = 节点“{ $name }”没有可用的存储：它从未连接过，或其存储缺失。
log-pool-create = 创建资源池“{ $name }”
log-pool-edit = 编辑资源池“{ $name }”
log-pool-delete = 删除资源池 { $name }
log-node-rename = 修改节点“{ $name }”的名称

## 身份：密码、会话、初始设置、用户
password-too-short = 密码少于 { $limit } 个字符，请使用更长的密码。
password-too-long = 密码超过 { $limit } 字节，请使用更短的密码。
password-missing = 标准输入中没有密码。请从标准输入提供，例如：echo '密码' | carrel admin set-password admin
password-not-text = 密码不是有效的 UTF-8 文本。
sign-in-failed = 用户名或密码错误
sign-in-locked = 失败次数过多。请在 { $seconds } 秒后重试，或请管理员在控制节点上运行 "carrel admin unlock"。
sign-in-busy = 同时登录的人数过多，请稍后重试。
account-disabled = 账号 { $name } 已停用，请联系管理员启用。
account-changed = 登录过程中该账号被修改，请重新登录。
old-password-wrong = 原密码错误。
setup-done = 已有管理员，请使用该账号登录。
setup-link-wrong = 此设置链接无效。请使用服务器启动时输出的最新链接，或在控制节点上运行 "carrel admin set-password admin"。
user-unknown = 用户 { $name } 不存在。
user-exists = 用户 { $name } 已存在，请使用其他名称。
user-name-character = 字段 { $field } 只能包含字母、数字和 . _ - @ +，不能包含 { $found }。
last-administrator = { $name } 是最后一个可以登录的管理员，请先创建另一个管理员。
admin-made = 已创建管理员 { $name }。
admin-password-set = 已设置 { $name } 的密码，该用户的所有会话已结束。
admin-user-added = 已创建用户 { $name }。
admin-disabled = 已停用 { $name }，该用户的所有会话已结束。
admin-enabled = 已启用 { $name }。
admin-unlocked = { $name } 以及所有地址可以重新尝试登录。
admin-no-users = 还没有用户。创建管理员：carrel admin set-password admin
admin-list-seen = { $name }  { $roles }  最近登录 { $at }
admin-list-unseen = { $name }  { $roles }  从未登录
admin-list-disabled = { $name }  { $roles }  已停用
database-missing = 数据库 { $path } 不存在。请用 --data-dir 指定正确的目录。
log-sign-in = 登录
log-sign-out = 退出登录
log-setup = 创建首个管理员“{ $name }”
log-own-password = 修改自己的密码
log-user-password = 设置“{ $name }”的密码
log-user-create = 创建用户“{ $name }”
log-user-disable = 停用用户“{ $name }”
log-user-enable = 启用用户“{ $name }”
log-user-unlock = 解锁用户“{ $name }”
## 基础镜像

image-add = 检查并添加基础镜像 { $name }
image-delete = 删除基础镜像 { $name }
image-resync = 校验基础镜像 { $name }
image-unknown = 该资源池中没有基础镜像 { $uuid }。
image-name-taken = 该资源池中已有名为“{ $name }”的基础镜像，请换一个名称。
image-in-use = 基础镜像“{ $name }”正被 { $count } 个模板使用：{ $users }。请先删除这些模板。
image-not-ready = 基础镜像“{ $name }”正在检查或删除，请等待完成。
image-copy-lost = 节点 { $node } 上的基础镜像“{ $name }”缺失或已损坏，且其他节点没有完好的副本，请重新上传该镜像。
image-copy-under-way = 正在同传到该节点。
image-checking = 上传已完成，正在检查。
image-deleting = 正在删除。
image-without-copy = 没有节点拥有该镜像，请重新上传。
upload-no-room = 存储 { $path } 空间不足以容纳该文件：需要 { $needed }，剩余 { $free }。请清理不用的内容。
upload-too-large = 文件超过允许的 { $limit } GiB。如确需上传，请在 carrel.toml 中调大 upload_limit_gib。
upload-not-multipart = 请以 multipart/form-data 的“{ $field }”字段发送文件。
upload-broken-off = 上传未完成即中断，未保留任何内容，请重新上传。
upload-two-files = 只能有一个“{ $field }”字段。
server-stopping = 服务器正在停止，请在其恢复运行后重试。
log-image-upload = 上传基础镜像 { $name }
log-image-delete = 删除基础镜像 { $name }
log-image-edit = 修改基础镜像 { $name }
log-image-resync = 校验节点上的基础镜像 { $name }

## 节点：libvirt

libvirt-down = 节点上的 libvirt 没有响应：{ $reason }。请启动其服务（systemctl start libvirtd）；Carrel 会自动重新连接。
libvirt-denied = 节点上的 libvirt 拒绝访问“{ $object }”：{ $message }。请以 root 运行代理，或将其用户加入 libvirt 组。
libvirt-busy = libvirt 正忙于处理“{ $object }”，未能及时完成：{ $message }。请稍后再试。
libvirt-no-memory = “{ $object }”在节点上无法获得内存：{ $message }。请关闭其他桌面或减少其内存。
libvirt-failed = libvirt 拒绝了对“{ $object }”的操作：{ $message }
virt-type-unknown = virt_type 的值是“{ $value }”，只能是 auto、kvm 或 qemu。
node-memory-short = “{ $object }”需要 { $needed } MiB 内存，而节点只剩 { $free } MiB。请关闭其他桌面、减少其内存或使用其他节点。
domain-missing = 节点上没有定义“{ $object }”，请检查是否被其他工具删除。
domain-foreign = 节点上的虚拟机“{ $object }”标识相同，但不属于本 Carrel，请在节点上删除它或改名。
domain-running = “{ $object }”正在运行，请先关机。
domain-not-running = “{ $object }”没有运行，请先开机。
disk-unknown = “{ $object }”没有磁盘 { $uuid }。
network-missing = 节点上没有定义网络“{ $object }”，请重新保存其数据网络。
network-foreign = 节点上的网络“{ $object }”标识相同，但不属于本 Carrel，请在节点上删除它。
network-in-use = 网络“{ $object }”正在被使用：{ $users }。请先将它们关机。
network-without-subnet = 网络“{ $object }”没有子网，请先添加。
bridge-missing = 节点的 { $uplink } 上没有网桥。请创建以 { $uplink } 为端口的网桥，或选择其他上行网卡。
check-libvirt = libvirt { $version } 在 { $uri } 正常响应。
check-libvirt-down = libvirt 在 { $uri } 没有响应：{ $reason }
check-libvirt-down-repair = 启动其服务：systemctl enable --now libvirtd。若未安装，请安装 libvirt-daemon-system 和 qemu-system-x86（Debian、Ubuntu）或 libvirt-daemon-kvm（Fedora、RHEL）。
check-kvm = KVM 可以执行虚拟机，桌面全速运行。
check-kvm-absent = 本机没有 /dev/kvm，桌面以软件模拟方式运行，速度慢十到五十倍。
check-kvm-absent-repair = 请在固件中开启 Intel VT-x 或 AMD-V；若在虚拟机中，请在其宿主机上开启嵌套虚拟化。然后加载模块 kvm_intel 或 kvm_amd。
check-kvm-refused = 无法使用 KVM：{ $message } 桌面以软件模拟方式运行，速度慢十到五十倍。
check-kvm-refused-repair = 请让 QEMU 的用户可以打开 /dev/kvm：kvm 组应可读写它，且 QEMU 的用户应在该组中。
check-kvm-hangs = /dev/kvm 存在，但其中的虚拟机不执行任何指令。桌面以软件模拟方式运行，速度慢十到五十倍。
check-kvm-hangs-repair = 这种情况出现在宿主机没有真正支持嵌套 KVM 的虚拟机中。请在宿主机上开启嵌套虚拟化，或将 Carrel 移到其他机器。
check-kvm-unknown = 无法判断 KVM 是否可用：{ $message }
check-kvm-unknown-repair = 请查看 libvirt 的日志（journalctl -u libvirtd），然后再次运行 carrel doctor。
check-networks-missing = 本机的 libvirt 没有网络驱动。
check-networks-missing-repair = 请安装 libvirt-daemon-system 和 dnsmasq-base（Debian、Ubuntu）或 libvirt-daemon-driver-network（Fedora、RHEL），然后重启 libvirtd。
check-networks-failed = libvirt 无法列出网络：{ $message }
check-networks-failed-repair = 请查看 libvirt 的日志（journalctl -u libvirtd -u virtnetworkd）。
## 网络
switch-unknown = 虚拟交换机 { $uuid } 不存在。
switch-name-taken = 虚拟交换机“{ $name }”已存在，请使用其他名称。
switch-type-wrong = “{ $value }”不是虚拟交换机类型，可用 nat、flat 或 vlan。
switch-is-default = 虚拟交换机“{ $name }”是默认交换机，不能删除。
switch-in-use = 虚拟交换机“{ $name }”正被 { $count } 个数据网络使用（{ $users }），请先删除它们。
switch-uplinks-unsupported = 当前版本不能为虚拟交换机绑定网卡，请将 uplinks 字段留空。
network-unknown = 数据网络 { $uuid } 不存在。
network-name-taken = 数据网络“{ $name }”已存在，请使用其他名称。
network-is-default = 数据网络“{ $name }”是默认网络，不能删除。
network-has-users = 数据网络“{ $name }”正被 { $count } 个模板或分组使用（{ $users }），请先删除或修改它们。
network-without-uplink = 数据网络“{ $name }”没有连接任何网卡：其虚拟交换机没有上行链路。请使用 nat 类型的数据网络，或为交换机绑定网卡。
network-vlan-missing = 虚拟交换机“{ $name }”是 vlan 类型，网络需要 1 到 4094 的 vlan_id。
network-vlan-wrong = vlan_id 必须在 1 到 4094 之间。
network-vlan-taken = VLAN { $vlan } 已属于数据网络“{ $name }”。
network-vlan-unwanted = 虚拟交换机“{ $name }”不是 vlan 类型，请不要提供 vlan_id。
network-no-free-prefix = 没有为默认网络找到空闲的地址段，请自行创建数据网络。
subnet-unknown = 该数据网络中没有子网 { $uuid }。
subnet-name-taken = 该数据网络中已有子网“{ $name }”，请使用其他名称。
subnet-in-use = 子网“{ $name }”正被 { $count } 个模板或分组使用（{ $users }），请先删除或修改它们。
subnet-full = 子网“{ $name }”空闲地址不足：需要 { $wanted } 个，剩余 { $free } 个。请扩大其范围或使用其他子网。
subnet-range-backwards = 结束地址 { $end } 小于起始地址 { $start }。
subnet-range-outside = 地址 { $address } 在网络 { $cidr } 中不可用。
subnet-gateway-outside = 网关 { $address } 在该范围的网络 { $cidr } 中不可用。
subnet-gateway-taken = 网关 { $address } 已被该数据网络的桌面或模板占用，请另选。
subnet-only-gateway = 该范围只有网关 { $address } 一个地址，请扩大范围。
subnet-ranges-overlap = 该范围与子网“{ $name }”（{ $start } – { $end }）重叠。
subnet-shares-cidr = 子网“{ $name }”在同一网络 { $cidr } 中：子网掩码和网关（{ $gateway }）必须相同。
subnet-cidr-taken = 数据网络“{ $name }”已使用 { $cidr }，nat 类型的网络不能重叠。
subnet-loses-address = 该子网有 { $count } 个地址正在使用，其中 { $address } 将不再可用。
address-malformed = 字段 { $field } 必须是 IPv4 地址，而不是“{ $value }”。
address-outside-subnet = 地址 { $address } 不在子网“{ $name }”的范围 { $start } – { $end } 内。
address-taken = 地址 { $address } 已被占用。
netmask-wrong = “{ $value }”不是有效的子网掩码，例如 255.255.255.0（从 255.0.0.0 到 255.255.255.252）。
network-create = 创建数据网络“{ $name }”
network-edit = 编辑数据网络“{ $name }”
network-delete = 删除数据网络“{ $name }”
subnet-create = 创建子网“{ $name }”
subnet-edit = 编辑子网“{ $name }”
subnet-delete = 删除子网“{ $name }”
log-switch-create = 创建虚拟交换机“{ $name }”
log-switch-edit = 编辑虚拟交换机“{ $name }”
log-switch-delete = 删除虚拟交换机 { $name }
log-network-create = 创建数据网络“{ $name }”
log-network-edit = 编辑数据网络“{ $name }”
log-network-delete = 删除数据网络 { $name }
log-subnet-create = 创建子网“{ $name }”
log-subnet-edit = 编辑子网“{ $name }”
log-subnet-delete = 删除子网 { $name }
