
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
